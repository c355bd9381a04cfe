-- What people and programs look at. Every statement is bounded: a page, or a count that stops.

-- name: find_task
select tasks.id,
       tasks.ty,
       tasks.args::text as args_text,
       tasks.status::text,
       tasks.worker_id,
       tasks.queue,
       tasks.priority,
       tasks.attempt,
       tasks.created_at,
       tasks.updated_at,
       tasks.scheduled_at,
       tasks.started_at,
       tasks.error,
       tasks.due_at,
       tasks.max_attempts,
       tasks.timeout,
       tasks.retry_interrupted,
       tasks.limit_key,
       tasks.result::text as result_text,
       tasks.progress::text as progress_text,
       tasks.cancel_requested_at,
       tasks.cancel_reason,
       tasks.cancel_level,
       late.run_id,
       late.status::text,
       late.error,
       late.reported_at,
       tasks.key,
       (
           select jsonb_agg(jsonb_build_object(
                      'id', needs_id,
                      'status', (select status from fcs.tasks as needed where needed.id = needs_id)
                  ))
             from (
                        select needs_id
                          from fcs.dependencies
                         where dependencies.task_id = tasks.id
                      order by is_open desc, needs_id
                         limit 100
                  ) as shown
       ) as after
  from fcs.tasks
  left join fcs.late_reports as late
         on late.task_id = tasks.id
        and late.run_id = tasks.run_id
 where tasks.id = %(id)s;

-- name: list_tasks
-- A page, newest first: ids of version 7 sort by the time of creation. `coalesce` is for the
-- planner, which cannot begin in the middle of an index by a condition that may be void.
  select id,
         ty,
         args::text as args_text,
         status::text,
         worker_id,
         queue,
         priority,
         attempt,
         created_at,
         updated_at,
         scheduled_at,
         started_at,
         error,
         due_at,
         max_attempts,
         timeout,
         retry_interrupted,
         limit_key,
         result::text as result_text,
         progress::text as progress_text,
         cancel_requested_at,
         cancel_reason,
         cancel_level
    from fcs.tasks
   where (%(before)s::uuid is null or id < %(before)s)
     and id <= coalesce(%(before)s, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
     and (%(status)s::fcs.status is null or status = %(status)s::fcs.status)
     and (%(ty)s::text is null or ty = %(ty)s)
     and (%(queue)s::text is null or queue = %(queue)s)
order by id desc
   limit %(limit)s;

-- name: list_attempts
-- The latest runs of a task, the last one first. A run that has not ended, or that left nothing
-- behind but its end, is known by the task's own row alone.
   select runs.attempt,
          runs.run_id,
          runs.worker_id,
          runs.outcome,
          runs.started_at,
          runs.ended_at,
          runs.error_type,
          runs.error,
          runs.trace,
          runs.logs,
          late.status::text,
          late.error,
          late.reported_at
     from (
              select attempt, run_id, worker_id, outcome, started_at, ended_at,
                     error_type, error, trace, logs
                from fcs.attempts
               where task_id = %(id)s
           union all
              select attempt,
                     run_id,
                     worker_id,
                     case when status <> 'running' then status::text end,
                     started_at,
                     case when status <> 'running' then updated_at end,
                     null,
                     error,
                     null,
                     null
                from fcs.tasks
               where id = %(id)s
                 and started_at is not null
                 and not exists (
                         select
                           from fcs.attempts
                          where attempts.task_id = tasks.id
                            and attempts.attempt = tasks.attempt
                     )
          ) as runs
left join fcs.late_reports as late
       on late.task_id = %(id)s
      and late.run_id = runs.run_id
 order by runs.attempt desc
    limit %(limit)s;

-- name: still_open
-- Which of these tasks are there and not final.
select tasks.id
  from unnest(%(ids)s::uuid[]) with ordinality as named (id, no),
       fcs.tasks
 where no between 1 and 1000000
   and tasks.id = named.id
   and tasks.status in ('pending', 'dispatched', 'running');

-- name: find_by_prefix
-- Ids between two bounds: what a shortened id may stand for.
  select id
    from fcs.tasks
   where id between %(low)s and %(high)s
order by id
   limit 2;

-- name: list_workers
  select id,
         incarnation,
         state::text,
         slots_total,
         slots_busy,
         queues,
         types,
         host,
         pid,
         version,
         listen,
         started_at,
         beat_at,
         greatest(0, extract(epoch from fcs.now() - beat_at))::float as silent,
         follows::text
    from fcs.workers
order by state, started_at, id
   limit %(limit)s;

-- name: waiting
-- How much waits, lane by lane, counted up to `limit` for each.
select lane.queue,
       lane.ty,
       lane.priority,
       lane.limit_key,
       counted.due,
       counted.scheduled,
       counted.oldest_due_at
  from unnest(%(queues)s::text[], %(types)s::text[], %(priorities)s::smallint[], %(limit_keys)s::text[])
           as lane (queue, ty, priority, limit_key),
       lateral (
           select count(*) filter (where due_at <= fcs.now()) as due,
                  count(*) filter (where due_at > fcs.now()) as scheduled,
                  min(due_at) filter (where due_at <= fcs.now()) as oldest_due_at
             from (
                        select due_at
                          from fcs.tasks
                         where due_at is not null
                           and tasks.queue = lane.queue
                           and tasks.ty = lane.ty
                           and tasks.priority = lane.priority
                           and tasks.limit_key = lane.limit_key
                      order by due_at, id
                         limit %(limit)s
                  ) as head
       ) as counted;

-- name: in_hand
-- How many tasks workers hold.
select count(*) filter (where status = 'dispatched') as dispatched,
       count(*) filter (where status = 'running') as running
  from (
           select status
             from fcs.tasks
            where incarnation is not null
            limit %(limit)s
       ) as held;

-- name: recent
-- What became of the tasks created lately, by id: no index on status is needed.
  select status::text, count(*)
    from (
               select status
                 from fcs.tasks
                where id >= %(since)s
             order by id desc
                limit %(limit)s
         ) as page
group by status;

-- name: known_types
-- Which types the live workers know.
select distinct unnest(types)
  from fcs.workers
 where state in ('live', 'draining');

-- name: settings
-- Database settings that matter to the promise, for `fcs doctor`.
select name, setting
  from pg_settings
 where name in (
           'fsync', 'full_page_writes', 'synchronous_commit', 'synchronous_standby_names',
           'max_connections', 'superuser_reserved_connections', 'server_version_num',
           'server_version', 'autovacuum', 'default_transaction_isolation', 'shared_buffers'
       );

-- name: health
-- Where the database stands: connections, the oldest snapshot, the notification queue.
select (select count(*) from pg_stat_activity where backend_type = 'client backend')::int as connections,
       (
           select max(extract(epoch from clock_timestamp() - xact_start))::float
             from pg_stat_activity
            where backend_xmin is not null
              and datname = current_database()
              and pid <> pg_backend_pid()
       ) as oldest_snapshot,
       pg_notification_queue_usage()::float as notification_queue,
       pg_is_in_recovery() as in_recovery,
       clock_timestamp() as now;

-- name: unlogged
-- Tables of ours that would not survive a crash. That of the reports need not.
select relname
  from pg_class
 where relnamespace = 'fcs'::regnamespace
   and relkind in ('r', 'p')
   and relpersistence <> 'p'
   and relname <> 'reports';

-- name: finished_span
-- How many tasks from an id on have succeeded, and in how many seconds. Reads all of them: for
-- measurements, not for pages.
select count(*)::int as tasks,
       coalesce(extract(epoch from max(updated_at) - min(started_at)), 0)::float as seconds
  from fcs.tasks
 where id >= %(since)s
   and status = 'succeeded';

-- name: taken
-- How many tasks the workers that are there have begun or turned down, by their own accounts.
select coalesce(sum(tasks_taken), 0)::bigint
  from fcs.workers;

-- name: pin
-- Who holds the oldest snapshot, which keeps dead rows from being removed; `age` in seconds.
  select pid,
         extract(epoch from clock_timestamp() - xact_start)::float as age,
         coalesce(application_name, '') as application_name
    from pg_stat_activity
   where backend_xmin is not null
     and xact_start is not null
     and datname = current_database()
     and pid <> pg_backend_pid()
order by xact_start
   limit 1;

-- name: backend_pid
-- Which server process answers. Behind a pooler it is not the one that the driver was told of.
select pg_backend_pid();

-- name: ring
-- A notification to oneself, to see whether any arrive.
select pg_notify(%(channel)s, %(word)s);
