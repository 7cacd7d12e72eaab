-- Results: two more kinds, and reports in an older class. SQLite cannot alter a check: the table is made anew.
-- destination: for whom it was first made. derived_from: the result that it says the same as.
create table result_kinds (
    sop_instance text primary key,
    study_uid    text not null,
    revision     bigint not null,
    kind         text not null check (kind in ('sr', 'gsps', 'sc', 'kos', 'seg')),
    sop_class    text not null,
    series_uid   text not null,
    source       text,
    not_analyzed boolean not null,
    blob         text not null,
    bytes        bigint not null,
    sha256       text not null,
    model        text not null,
    position     bigint not null,
    created_at   bigint not null,
    destination  text,
    derived_from text
);
insert into result_kinds (sop_instance, study_uid, revision, kind, sop_class, series_uid, source, not_analyzed,
    blob, bytes, sha256, model, position, created_at)
select sop_instance, study_uid, revision, kind, sop_class, series_uid, source, not_analyzed,
    blob, bytes, sha256, model, position, created_at from result;
drop table result;
alter table result_kinds rename to result;
create index result_study on result (study_uid, revision);

-- What peers take: one row for each peer, the last probe and the last answer to one.
-- address: what was called, and by whom; with another entry in ae-titles.toml the row says nothing.
create table probe (
    peer           text primary key,
    address        text not null,
    at             bigint not null,
    outcome        text not null,
    error          text,
    failures       bigint not null,
    answered_at    bigint,
    ability        text,
    implementation text
);

-- When a peer of ae-titles.toml last called us, and from where.
create table heard (
    ae_title text primary key,
    at       bigint not null,
    address  text not null
);
