-- Results that were taken back, and the notes that say so.
-- withdrawn_at: the result is no longer to be used. reason: of a note, as the operator gave it.
alter table result drop constraint result_kind_check;
alter table result add constraint result_kind_check check (kind in ('sr', 'gsps', 'sc', 'kos', 'seg', 'note'));
alter table result add column withdrawn_at bigint;
alter table result add column reason text;
