-- Alerts: raised once, cleared once, and told to every webhook in that order.
create table alert (
    id         text primary key,
    kind       text not null,
    subject    text not null,
    text       text not null,
    raised_at  bigint not null,
    cleared_at bigint
);
create unique index alert_standing on alert (kind, subject) where cleared_at is null;
create index alert_recent on alert (raised_at);

create table alert_call (
    id         text primary key,
    alert      text not null references alert (id),
    webhook    text not null,
    cleared    boolean not null,
    attempts   bigint not null,
    next_at    bigint not null,
    last_error text,
    created_at bigint not null,
    told_at    bigint
);
create index alert_call_due on alert_call (webhook, next_at) where told_at is null;
