-- First schema. Append-only folder: never change a file that was released, add the next one.
-- Times are unix milliseconds, identifiers text, JSON text.
create table study (
    study_uid   text primary key,
    state       text not null check (state in ('receiving', 'complete', 'analyzed', 'skipped', 'failed')),
    revision    bigint not null,
    first_at    bigint not null,
    last_at     bigint not null,
    quiet_until bigint not null,
    closed_at   bigint,
    settled_at  bigint,
    reason      text
);
create index study_due on study (quiet_until) where state = 'receiving';
create index study_recent on study (last_at);

create table instance (
    sop_instance    text primary key,
    study_uid       text not null,
    series_uid      text not null,
    sop_class       text not null,
    transfer_syntax text not null,
    blob            text not null,
    bytes           bigint not null,
    sha256          text not null,
    header          text not null,
    calling         text not null,
    called          text not null,
    peer            text not null,
    priority        bigint not null,
    received_at     bigint not null,
    revision        bigint,
    chest           boolean,
    skip            text,
    unknowns        text not null
);
create index instance_study on instance (study_uid);

-- Other bytes under a SOP Instance UID that is already there: kept, compared, never put in its place.
create table variant (
    id              text primary key,
    sop_instance    text not null,
    sha256          text not null,
    transfer_syntax text not null,
    blob            text not null,
    bytes           bigint not null,
    calling         text not null,
    received_at     bigint not null,
    state           text not null check (state in ('pending', 'variant', 'quarantined')),
    reason          text,
    unique (sop_instance, sha256)
);

create table job (
    id            text primary key,
    kind          text not null check (kind in ('predict', 'report', 'compare')),
    subject       text not null,
    study_uid     text not null,
    revision      bigint not null,
    state         text not null check (state in ('queued', 'running', 'done', 'dead')),
    priority      bigint not null,
    attempts      bigint not null,
    interruptions bigint not null,
    run_at        bigint not null,
    worker        text,
    lease_until   bigint,
    dedup         text not null unique,
    last_error    text,
    created_at    bigint not null,
    finished_at   bigint
);
create index job_due on job (priority, run_at) where state in ('queued', 'running');
create index job_study on job (study_uid);

create table prediction (
    sop_instance  text not null,
    model_sha256  text not null,
    threshold_set text not null,
    study_uid     text not null,
    scores        text not null,
    picture       text not null,
    decode_ms     bigint not null,
    predict_ms    bigint not null,
    created_at    bigint not null,
    primary key (sop_instance, model_sha256, threshold_set)
);

create table result (
    sop_instance text primary key,
    study_uid    text not null,
    revision     bigint not null,
    kind         text not null check (kind in ('sr', 'gsps', 'sc')),
    sop_class    text not null,
    series_uid   text not null,
    source       text,
    not_analyzed boolean not null,
    blob         text not null,
    bytes        bigint not null,
    sha256       text not null,
    model        text not null,
    position     bigint not null,
    created_at   bigint not null
);
create index result_study on result (study_uid, revision);

create table delivery (
    id          text primary key,
    result      text not null,
    destination text not null,
    study_uid   text not null,
    state       text not null check (state in ('scheduled', 'sending', 'accepted', 'committed', 'refused', 'dead')),
    attempts    bigint not null,
    next_at     bigint not null,
    lease_until bigint,
    last_status bigint,
    last_error  text,
    created_at  bigint not null,
    accepted_at bigint,
    unique (result, destination)
);
create index delivery_due on delivery (destination, next_at) where state in ('scheduled', 'sending');
create index delivery_study on delivery (study_uid);

-- The feed of everything that happened, written in the transaction of the state it describes.
create table event (
    seq          integer primary key autoincrement,
    at           bigint not null,
    study_uid    text,
    sop_instance text,
    kind         text not null,
    detail       text not null
);
create index event_study on event (study_uid);

create table token (
    id         text primary key,
    name       text not null,
    sha256     text not null unique,
    created_at bigint not null,
    revoked_at bigint
);

-- Facts about this installation: its serial number, for example.
create table setting (
    name  text primary key,
    value text not null
);
