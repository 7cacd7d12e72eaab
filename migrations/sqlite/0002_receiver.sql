-- Digests name their algorithm: `blake3:` for what is received from now on, `sha256:` for what was there.
alter table instance rename column sha256 to digest;
update instance set digest = 'sha256:' || digest;
alter table variant rename column sha256 to digest;
update variant set digest = 'sha256:' || digest;

-- Whose study it is: the identity digest of the instance that opened it.
alter table study add column identity text;
update study set identity = (
    select json_extract(i.header, '$.identity_digest') from instance i
    where i.study_uid = study.study_uid order by i.received_at, i.sop_instance limit 1
);
