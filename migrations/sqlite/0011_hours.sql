-- Until when a destination rests, as ae-titles.toml wants it; null or past while it may be called.
alter table destination add column rests_until bigint;

-- What destinations with a limit got within the last minute. at: when the answer came; null while it is on its way.
create table handover (
    delivery    text not null,
    destination text not null,
    at          bigint
);
create index handover_destination on handover (destination, at);
create index handover_delivery on handover (delivery);
