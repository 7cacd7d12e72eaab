-- Storage commitment (PS3.4 annex J): what a peer asked us to keep, and whether it has been told.
-- checking: the bytes are to be read again. reporting: the peer is to be told. The rest is the end.
create table commitment (
    id              text primary key,
    transaction_uid text not null,
    calling         text not null,
    called          text not null,
    peer            text not null,
    association     text not null,
    state           text not null check (state in ('checking', 'reporting', 'reported', 'refused', 'undeliverable')),
    instances       bigint not null,
    failed          bigint,
    attempts        bigint not null,
    next_at         bigint not null,
    lease_until     bigint,
    last_status     bigint,
    last_error      text,
    requested_at    bigint not null,
    checked_at      bigint,
    reported_at     bigint,
    unique (calling, transaction_uid)
);
create index commitment_due on commitment (calling, next_at) where state in ('checking', 'reporting');
create index commitment_recent on commitment (requested_at);

-- outcome: null before the check, 0 kept, else the Failure Reason (0008,1197).
create table commitment_reference (
    commitment   text not null,
    position     bigint not null,
    sop_class    text not null,
    sop_instance text not null,
    outcome      bigint,
    primary key (commitment, position)
);
create index commitment_reference_instance on commitment_reference (sop_instance);

-- Retention: deleted_at says that the bytes may be gone, purged_at that they are.
alter table instance add column deleted_at bigint;
alter table instance add column purged_at bigint;
alter table variant add column deleted_at bigint;
alter table variant add column purged_at bigint;
-- A check found that the bytes are not what was received: the same film sent again takes their place.
alter table instance add column damaged_at bigint;
alter table variant add column damaged_at bigint;
create index instance_unpurged on instance (deleted_at) where deleted_at is not null and purged_at is null;
create index variant_unpurged on variant (deleted_at) where deleted_at is not null and purged_at is null;
create index study_settled on study (last_at) where state in ('analyzed', 'skipped', 'failed');

-- Quarantine: what a person decided, kept_first or took_second; null as long as nobody has.
alter table variant add column resolution text;
alter table variant add column resolved_at bigint;
