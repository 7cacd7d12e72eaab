-- Results that were taken back, and the notes that say so. SQLite cannot alter a check: the table is made anew.
-- withdrawn_at: the result is no longer to be used. reason: of a note, as the operator gave it.
create table result_notes (
    sop_instance text primary key,
    study_uid    text not null,
    revision     bigint not null,
    kind         text not null check (kind in ('sr', 'gsps', 'sc', 'kos', 'seg', 'note')),
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
    derived_from text,
    withdrawn_at bigint,
    reason       text
);
insert into result_notes (sop_instance, study_uid, revision, kind, sop_class, series_uid, source, not_analyzed,
    blob, bytes, sha256, model, position, created_at, destination, derived_from)
select sop_instance, study_uid, revision, kind, sop_class, series_uid, source, not_analyzed,
    blob, bytes, sha256, model, position, created_at, destination, derived_from from result;
drop table result;
alter table result_notes rename to result;
create index result_study on result (study_uid, revision);
