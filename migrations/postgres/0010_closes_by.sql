-- When a revision closes at the latest, however long films go on arriving. Null in studies of before: they wait for quiet.
alter table study add column closes_by bigint;
