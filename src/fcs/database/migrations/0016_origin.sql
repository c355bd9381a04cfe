-- On which server and timeline this database was prepared for fcs: before anybody has begun anything,
-- a promoted standby is known by that. It has these tables only together with this.
alter table fcs.identity
    add column made_system   bigint,
    add column made_timeline integer;

update fcs.identity
   set made_system = (select system_identifier from pg_control_system()),
       made_timeline = ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer;
