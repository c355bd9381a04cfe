-- Which database this is, as fcs knows it and as Postgres tells.

-- name: look
-- What is known, and what is found. A standby cannot tell its timeline; nothing is done there anyway.
-- `pg_control_checkpoint` tells it late, `pg_walfile_name` as soon as the server takes writes. The
-- password in `primary_conninfo` is shown only to those who could read it anywhere else as well.
select identity.id,
       system,
       database,
       timeline,
       standbys,
       extract(epoch from fcs.now() - standbys_seen_at)::float as claim_age,
       on_hold_since,
       on_hold_why,
       server_started_at,
       home.is_open,
       pg_is_in_recovery() as is_standby,
       (select system_identifier from pg_control_system()) as found_system,
       (select oid::bigint from pg_database where datname = current_database()) as found_database,
       case
           when not pg_is_in_recovery()
           then ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer
       end as found_timeline,
       pg_postmaster_start_time() as found_server_started_at,
       current_setting('synchronous_standby_names') as standbys_in_force,
       (select setting from pg_settings where name = 'primary_conninfo') as primary_conninfo,
       current_setting('cluster_name') as cluster_name
  from fcs.identity, fcs.home;

-- name: record
-- This is the database, from now on; unless somebody has found out something else meanwhile, or
-- another server answers than the one that was looked at.
with durable as (select fcs.durably())
   update fcs.identity
      set system = %(system)s,
          database = %(database)s,
          timeline = %(timeline)s,
          server_started_at = pg_postmaster_start_time(),
          since = case
                      when (system, database, timeline) <>
                           (%(system)s::bigint, %(database)s::bigint, %(timeline)s::integer)
                      then fcs.now()
                      else since
                  end,
          standbys = case when timeline = %(timeline)s then standbys else '' end
     from durable
    where id = %(id)s
      and on_hold_since is null
      and server_started_at is not distinct from %(server_started_at)s
      and pg_postmaster_start_time() = %(found_server_started_at)s
returning id;

-- name: hold
-- This may be a copy: whoever looks finds the same from now on, until somebody adopts it.
with durable as (select fcs.durably())
   update fcs.identity
      set on_hold_since = fcs.now(),
          on_hold_why = %(why)s
     from durable
    where id = %(id)s
      and on_hold_since is null
      and server_started_at is not distinct from %(server_started_at)s
      and pg_postmaster_start_time() = %(found_server_started_at)s
returning id;

-- name: claim
-- These are the standbys that each commit waits for; once this has been waited for as well, they have
-- everything before. Another claim is replaced when nobody trusts it any more.
with durable as (select fcs.durably())
   update fcs.identity
      set standbys = %(standbys)s,
          standbys_seen_at = fcs.now()
     from durable, fcs.home
    where home.is_open
      and (standbys in ('', %(standbys)s) or standbys_seen_at < fcs.now() - make_interval(secs => %(binds_for)s))
      and %(in_force)s = current_setting('synchronous_standby_names')
returning identity.id;
