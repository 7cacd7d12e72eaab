-- What the alerts count every few seconds: found without reading every delivery that there ever was.
create index delivery_refused on delivery (destination) where state = 'refused';
create index delivery_unpromised on delivery (destination) where state = 'accepted' and cause = 'not_committed';
