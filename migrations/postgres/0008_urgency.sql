-- Urgency: of a study the highest that any of its films has (0 low, 1 routine, 2 stat); of a job that of its study when
-- it was enqueued. rank: the smallest is done first. Before, jobs went by priority alone, so that the least could starve.
alter table study add column urgency bigint not null default 1;
drop index job_due;
alter table job rename column priority to urgency;
alter table job add column rank bigint not null default 0;
update job set urgency = 1, rank = created_at + 600000;
create index job_due on job (rank) where state in ('queued', 'running');
