-- Results: two more kinds, and reports in an older class.
-- destination: for whom it was first made. derived_from: the result that it says the same as.
alter table result drop constraint result_kind_check;
alter table result add constraint result_kind_check check (kind in ('sr', 'gsps', 'sc', 'kos', 'seg'));
alter table result add column destination text;
alter table result add column derived_from text;

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
