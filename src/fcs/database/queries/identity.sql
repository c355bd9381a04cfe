-- Which database this is, as fcs knows it and as Postgres tells.

-- name: look
-- What is known, and what is found. A standby cannot tell its timeline; nothing is done there anyway.
-- `pg_control_checkpoint` tells it late, `pg_walfile_name` as soon as the server takes writes. The
-- password in `primary_conninfo` is shown only to those who could read it anywhere else as well.
select identity.id,
       system,
       database,
       timeline,
       made_system,
       made_timeline,
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
       array(select application_name from pg_stat_replication) as standbys_there,
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
-- everything before. Where another claim is still trusted, nothing is open.
with durable as (select fcs.durably())
   update fcs.identity
      set standbys = %(standbys)s,
          standbys_seen_at = fcs.now()
     from durable, fcs.home
    where home.is_open
      and %(in_force)s = current_setting('synchronous_standby_names')
returning identity.id;

-- name: witnesses
-- The workers that were there, and whether they have told what they had begun. Who has sent a beat
-- since will tell, and who has not may still come for so many seconds.
  select workers.id,
         host,
         extract(epoch from fcs.now() - beat_at)::float as silent,
         coalesce(testified_at >= on_hold_since, false) as has_testified,
         coalesce(
             coalesce(testified_at, '-infinity') < on_hold_since
             and (
                 beat_at >= on_hold_since
                 or on_hold_since > fcs.now() - make_interval(secs => %(patience)s)
             ),
             false
         ) as is_awaited
    from fcs.workers, fcs.identity
   where state in ('live', 'draining')
order by workers.id;

-- name: in_hand
-- What workers had in hand, and whether they have told what they had begun.
  select tasks.id,
         ty,
         status::text,
         tasks.worker_id,
         coalesce(testified_at >= on_hold_since, false) as has_testified,
         retry_interrupted and attempt + (status = 'dispatched')::int < max_attempts as may_retry
    from fcs.identity,
         fcs.tasks
    left join fcs.workers
           on workers.incarnation = tasks.incarnation
          and workers.state in ('live', 'draining')
   where tasks.incarnation is not null
order by tasks.id
   limit %(limit)s;

-- name: adopt
-- This is the database from now on, whatever it has forgotten. Of a task that was handed to a worker
-- which has not spoken nobody knows whether it has begun: it ends, or counts as an attempt where
-- another one was asked for. Answers with those tasks; no row if somebody else was quicker.
with durable as (select fcs.durably()),
home as (
       update fcs.identity
          set id = gen_random_uuid(),
              system = %(system)s,
              database = %(database)s,
              timeline = %(timeline)s,
              server_started_at = pg_postmaster_start_time(),
              since = fcs.now(),
              standbys = '',
              on_hold_since = null,
              on_hold_why = ''
         from durable
        where id = %(id)s
          and on_hold_since = %(on_hold_since)s
          and pg_postmaster_start_time() = %(found_server_started_at)s
    returning id
),
unknown as (
      select tasks.id,
             attempt + 1 as attempt,
             retry_interrupted and attempt + 1 < max_attempts as may_retry
        from home, fcs.tasks
       where tasks.incarnation is not null
         and tasks.status = 'dispatched'
         and not exists (
                 select
                   from fcs.workers
                  where workers.incarnation = tasks.incarnation
                    and workers.state in ('live', 'draining')
                    and testified_at >= %(on_hold_since)s
             )
    order by tasks.id
         for no key update of tasks
),
moved as (
       update fcs.tasks
          set status = case when may_retry then 'pending'::fcs.status else 'interrupted' end,
              worker_id = case when not may_retry then tasks.worker_id end,
              incarnation = null,
              attempt = unknown.attempt,
              due_at = case when may_retry then greatest(fcs.now(), scheduled_at) end,
              error = %(reason)s,
              updated_at = fcs.now()
         from unknown
        where tasks.id = unknown.id
          and tasks.status = 'dispatched'
    returning tasks.id
)
select array(select id from moved order by id), pg_notify('fcs_candidates', 'adopted')
  from home;
