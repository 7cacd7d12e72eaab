-- The outbox: what an operator parked, in which order work is sent, and what proves that it arrived.
-- urgency: 0 low, 1 routine, 2 stat. rank: the smallest is sent first.
-- cause: why the last attempt failed, as one word.
alter table delivery drop constraint delivery_state_check;
update delivery set state = 'parked' where state = 'dead';
alter table delivery add constraint delivery_state_check
    check (state in ('scheduled', 'sending', 'accepted', 'committed', 'refused', 'parked'));
alter table delivery add column urgency bigint not null default 1;
alter table delivery alter column urgency drop default;
alter table delivery add column rank bigint;
update delivery set rank = created_at + 600000;
alter table delivery alter column rank set not null;
alter table delivery add column cause text;
alter table delivery add column committed_at bigint;
alter table delivery add column transaction_uid text;
alter table delivery add column parked_at bigint;
alter table delivery add column parked_reason text;
update delivery set parked_at = next_at where state = 'parked';
drop index delivery_due;
create index delivery_due on delivery (destination, rank, next_at) where state in ('scheduled', 'sending');

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
