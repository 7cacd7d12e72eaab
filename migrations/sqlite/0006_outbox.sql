-- The outbox: what an operator parked, in which order work is sent, and what proves that it arrived.
-- SQLite cannot alter a check: the table is made anew. urgency: 0 low, 1 routine, 2 stat.
-- rank: the smallest is sent first. cause: why the last attempt failed, as one word.
create table delivery_outbox (
    id              text primary key,
    result          text not null,
    destination     text not null,
    study_uid       text not null,
    state           text not null check (state in ('scheduled', 'sending', 'accepted', 'committed', 'refused', 'parked')),
    urgency         bigint not null,
    rank            bigint not null,
    attempts        bigint not null,
    next_at         bigint not null,
    lease_until     bigint,
    last_status     bigint,
    last_error      text,
    cause           text,
    created_at      bigint not null,
    accepted_at     bigint,
    committed_at    bigint,
    transaction_uid text,
    parked_at       bigint,
    parked_reason   text,
    unique (result, destination)
);
insert into delivery_outbox (id, result, destination, study_uid, state, urgency, rank, attempts, next_at, lease_until,
    last_status, last_error, created_at, accepted_at, parked_at)
select id, result, destination, study_uid, case state when 'dead' then 'parked' else state end, 1, created_at + 600000,
    attempts, next_at, lease_until, last_status, last_error, created_at, accepted_at,
    case state when 'dead' then next_at end from delivery;
drop table delivery;
alter table delivery_outbox rename to delivery;
create index delivery_due on delivery (destination, rank, next_at) where state in ('scheduled', 'sending');
create index delivery_study on delivery (study_uid);

-- Destinations: whether one is parked, and since when it is down. probe_at: when it is asked next whether it is back.
create table destination (
    name          text primary key,
    state         text not null check (state in ('open', 'parked')),
    parked_at     bigint,
    parked_reason text,
    down_since    bigint,
    probe_at      bigint,
    failures      bigint not null,
    cause         text,
    last_error    text,
    last_ok_at    bigint
);
