-- Storage commitment of our results (PS3.4 annex J, as SCU): one transaction for what a destination has of one study.
-- asking: to be asked for. waiting: asked, the report is due by due_at. looking: there is no report, each instance is
-- looked for by C-FIND. done: reported. found: nobody promised, but it was found there. unoffered, refused: no promise is to be had.
create table proof (
    id              text primary key,
    transaction_uid text not null unique,
    destination     text not null,
    study_uid       text not null,
    state           text not null check (state in ('asking', 'waiting', 'looking', 'done', 'found', 'unoffered', 'refused')),
    instances       bigint not null,
    round           bigint not null,
    attempts        bigint not null,
    next_at         bigint not null,
    created_at      bigint not null,
    asked_at        bigint,
    due_at          bigint,
    reported_at     bigint,
    last_status     bigint,
    last_error      text
);
create index proof_due on proof (destination, next_at) where state in ('asking', 'waiting', 'looking');
create index proof_study on proof (study_uid);

-- outcome: null before the report, 0 committed, else the Failure Reason (0008,1197).
create table proof_reference (
    proof        text not null,
    delivery     text not null,
    sop_class    text not null,
    sop_instance text not null,
    series_uid   text not null,
    outcome      bigint,
    primary key (proof, delivery)
);

-- proof: the transaction in charge; null for what is still to be asked for. asked: how often it was.
-- found_at: C-FIND found it there.
alter table delivery add column proof text;
alter table delivery add column asked bigint not null default 0;
alter table delivery add column found_at bigint;
create index delivery_unproven on delivery (destination, accepted_at) where state = 'accepted' and proof is null;

-- Until when a destination need not be asked again whether it offers storage commitment.
alter table destination add column unoffered_until bigint;
