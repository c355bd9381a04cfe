-- The life of a run: what its owner writes, each time with the run's token. The habits are those
-- of tasks.sql.

-- name: begin
-- Take up tasks, each under the run id that its worker made beforehand. Sent again after an
-- unknown answer it gives the same answer, and because it writes, its commit is durable proof
-- that the run is known. The number of a dispatch that a failover has lost is given again; so what
-- the body will be told to be the number of its attempt is compared as well. Answers with those that
-- run, or null where it is all of them; and whether anything begins at all on this database.
with durable as (select fcs.durably(), fcs.now() as now, is_open from fcs.home),
wanted as (
    select wanted.*, now
      from durable,
           unnest(
               %(task_ids)b::uuid[],
               %(dispatch_nos)b::int[],
               %(run_ids)b::uuid[],
               %(attempts)b::int[]
           ) with ordinality as wanted (task_id, dispatch_no, run_id, attempt, no)
     where is_open
       and no between 1 and 1000000
  order by task_id
),
begun as (
       update fcs.tasks
          set status = 'running',
              run_id = wanted.run_id,
              attempt = tasks.attempt + (tasks.status = 'dispatched')::int,
              started_at = case tasks.status when 'dispatched' then now else tasks.started_at end,
              updated_at = now
         from wanted
        where tasks.id = wanted.task_id
          and tasks.incarnation is not distinct from %(incarnation)b
          and tasks.dispatch_no = wanted.dispatch_no
          and (
              tasks.status = 'dispatched' and tasks.attempt + 1 = coalesce(wanted.attempt, 1)
              or tasks.status = 'running' and tasks.run_id = wanted.run_id
          )
    returning tasks.id
)
select case
           when (select count(*) from begun) < cardinality(%(task_ids)b::uuid[])
           then array(select id from begun)
       end as task_ids,
       (select is_open from durable);

-- name: succeed
-- Record runs that returned and left nothing behind, which are most; report the free slots in the
-- same breath, if that is urgent or somebody sleeps; an empty report is for nobody. Answers with those that were recorded, or
-- null where it was all of them, and with null where nobody was told.
with durable as (select fcs.durably(), fcs.now() as now),
ended as (
    select ended.*, now
      from durable,
           unnest(%(task_ids)b::uuid[], %(run_ids)b::uuid[])
               with ordinality as ended (task_id, run_id, no)
     where no between 1 and 1000000
  order by task_id
),
finished as (
       update fcs.tasks
          set status = 'succeeded',
              error = null,
              incarnation = null,
              updated_at = now
         from ended
        where tasks.id = ended.task_id
          and tasks.run_id = ended.run_id
          and tasks.status = 'running'
    returning tasks.id
)
select case
           when (select count(*) from finished) < cardinality(%(task_ids)b::uuid[])
           then array(select id from finished)
       end as task_ids,
       case
           when %(report)s::text = '' then null
           when fcs.must_ring() then pg_notify('fcs_supervisor', %(report)s::text)
           when %(is_urgent)s::boolean then fcs.tell(%(report)s::text)
       end;

-- name: finish
-- Record how runs ended that have more to say, and report as `succeed` does. Answers with those
-- that were recorded, or null where it was all of them. `evidence` is for the few runs that leave
-- more behind than a line.
with durable as (select fcs.durably(), fcs.now() as now),
ended as (
    select ended.*, now
      from durable,
           unnest(
               %(task_ids)b::uuid[],
               %(run_ids)b::uuid[],
               %(statuses)s::fcs.status[],
               %(errors)s::text[],
               %(results)s::text[],
               %(levels)s::text[]
           ) with ordinality as ended (task_id, run_id, status, error, result, level, no)
     where no between 1 and 1000000
  order by task_id
),
finished as (
       update fcs.tasks
          set status = ended.status,
              error = ended.error,
              result = ended.result::jsonb,
              cancel_level = ended.level,
              incarnation = null,
              updated_at = now
         from ended
        where tasks.id = ended.task_id
          and tasks.run_id = ended.run_id
          and tasks.status = 'running'
    returning tasks.id, tasks.run_id
),
kept as (
    insert into fcs.attempts (
                    task_id, attempt, run_id, worker_id, outcome, started_at, ended_at,
                    error_type, error, trace, logs
                )
         select tasks.id,
                tasks.attempt,
                evidence.run_id,
                tasks.worker_id,
                evidence.outcome,
                tasks.started_at,
                fcs.now(),
                evidence.error_type,
                evidence.error,
                evidence.trace,
                evidence.logs
           from jsonb_populate_recordset(null::fcs.attempts, %(evidence)s::jsonb) as evidence
           join finished on finished.id = evidence.task_id and finished.run_id = evidence.run_id
           join fcs.tasks on tasks.id = finished.id
    on conflict do nothing
)
select case
           when (select count(*) from finished) < cardinality(%(task_ids)b::uuid[])
           then array(select id from finished)
       end as task_ids,
       case
           when %(report)s::text = '' then null
           when fcs.must_ring() then pg_notify('fcs_supervisor', %(report)s::text)
           when %(is_urgent)s::boolean then fcs.tell(%(report)s::text)
       end;

-- name: report
-- Tell the supervisor how a worker is.
select case
           when fcs.must_ring() then pg_notify('fcs_supervisor', %(report)s::text)
           else fcs.tell(%(report)s::text)
       end;

-- name: retry
-- Let tasks run again, later: an attempt is left, or the body asked for another time. Nothing
-- that somebody wants to end runs again. Sent again after an unknown answer it finds the
-- evidence of the first sending, and perhaps the next run of the same task beside it: so it is
-- the runs that it answers with.
with durable as (select fcs.durably()),
ended as (
    select ended.*
      from durable,
           unnest(
               %(task_ids)b::uuid[],
               %(run_ids)b::uuid[],
               %(errors)s::text[],
               %(delays)s::float[],
               %(more_attempts)s::smallint[]
           ) with ordinality as ended (task_id, run_id, error, delay, more_attempts, no)
     where no between 1 and 1000000
  order by task_id
),
again as (
       update fcs.tasks
          set status = 'pending',
              worker_id = null,
              incarnation = null,
              run_id = null,
              started_at = null,
              progress = null,
              error = ended.error,
              max_attempts = tasks.max_attempts + ended.more_attempts,
              due_at = greatest(fcs.now() + make_interval(secs => ended.delay), scheduled_at),
              updated_at = fcs.now()
         from ended
        where tasks.id = ended.task_id
          and tasks.run_id = ended.run_id
          and tasks.status = 'running'
          and tasks.attempt < tasks.max_attempts + ended.more_attempts
          and tasks.cancel_requested_at is null
    returning tasks.id, ended.run_id
),
kept as (
    insert into fcs.attempts (
                    task_id, attempt, run_id, worker_id, outcome, started_at, ended_at,
                    error_type, error, trace, logs
                )
         select tasks.id,
                tasks.attempt,
                evidence.run_id,
                tasks.worker_id,
                evidence.outcome,
                tasks.started_at,
                fcs.now(),
                evidence.error_type,
                evidence.error,
                evidence.trace,
                evidence.logs
           from jsonb_populate_recordset(null::fcs.attempts, %(evidence)s::jsonb) as evidence
           join again on again.id = evidence.task_id and again.run_id = evidence.run_id
           join fcs.tasks on tasks.id = again.id
    on conflict do nothing
),
done as (
    select attempts.run_id
      from jsonb_populate_recordset(null::fcs.attempts, %(evidence)s::jsonb) as evidence
      join fcs.attempts
        on attempts.task_id = evidence.task_id
       and attempts.run_id = evidence.run_id
       and attempts.outcome = evidence.outcome
),
hint as (
    select pg_notify(
               'fcs_supervisor',
               case when count(*) <= 200 then 'tasks ' || string_agg(id::text, ' ') else 'rescan' end
           )
      from again
    having count(*) > 0
)
select array(select run_id from again union all select run_id from done) as run_ids,
       case when %(report)s::text <> '' then pg_notify('fcs_supervisor', %(report)s::text) end,
       (select count(*) from hint) as hints;

-- name: release
-- Give back runs whose body was never started: the attempt does not count. Those that somebody wants
-- to end have come to that. Not where something may be forgotten: there it may have been.
with durable as (select fcs.durably(), is_open from fcs.home),
wanted as (
    select wanted.*
      from durable,
           unnest(%(task_ids)b::uuid[], %(run_ids)b::uuid[])
               with ordinality as wanted (task_id, run_id, no)
     where is_open
       and no between 1 and 1000000
  order by task_id
),
released as (
       update fcs.tasks
          set status = case when cancel_requested_at is null then 'pending'::fcs.status else 'cancelled' end,
              worker_id = null,
              incarnation = null,
              run_id = null,
              attempt = greatest(tasks.attempt, 1) - 1,
              started_at = null,
              due_at = case when cancel_requested_at is null then greatest(scheduled_at, created_at) end,
              error = case
                  when cancel_requested_at is null then error
                  else 'cancelled before it started' || coalesce(': ' || nullif(cancel_reason, ''), '')
              end,
              cancel_level = case when cancel_requested_at is not null then 'before_start' end,
              updated_at = fcs.now()
         from wanted
        where tasks.id = wanted.task_id
          and tasks.run_id is not distinct from wanted.run_id
          and tasks.status = 'running'
    returning tasks.id
)
select array_agg(id) as task_ids,
       pg_notify(
           'fcs_supervisor',
           case when count(*) <= 200 then 'tasks ' || string_agg(id::text, ' ') else 'rescan' end
       )
  from released
having count(*) > 0;

-- name: record_late
-- Keep what the worker of a lost run says, beside the task, without touching its status. The
-- lock holds off a delete, which would not see this report and leave it behind.
with durable as (select fcs.durably()),
ended as (
    select ended.*
      from durable,
           unnest(
               %(task_ids)b::uuid[],
               %(run_ids)b::uuid[],
               %(statuses)s::fcs.status[],
               %(errors)s::text[]
           ) with ordinality as ended (task_id, run_id, status, error, no)
     where no between 1 and 1000000
)
insert into fcs.late_reports (run_id, task_id, status, error, reported_at)
     select ended.run_id, ended.task_id, ended.status, ended.error, fcs.now()
       from ended
       join fcs.tasks on tasks.id = ended.task_id
      where tasks.status <> ended.status
         or tasks.run_id is distinct from ended.run_id
        for key share of tasks
on conflict (run_id) do nothing
  returning task_id;

-- name: hold_told
-- Lock the tasks of runs that are to be told of, for the rest of the transaction. Whoever was about
-- to move one of them, or to tell the same, has done so by then and left evidence of it, which
-- `testify` reads as of its own beginning.
  select tasks.id
    from (select distinct task_id from unnest(%(task_ids)b::uuid[]) as told (task_id)) as named
    join fcs.tasks on tasks.id = named.task_id
order by tasks.id
     for no key update of tasks;

-- name: testify
-- Runs whose bodies a worker has started, told to a database that may have forgotten them: no such
-- body may start again, nor another under the number of its attempt. The caller holds their tasks.
-- One that the database takes for running may be over. And while nothing begins, a run of which it
-- knows nothing is a later one than the one that it takes for running, whatever became of that; and a
-- worker that has started a later attempt is done with the one before. The tasks end, or run again
-- where that was asked for.
with durable as (
    select fcs.durably(), fcs.now() as now, on_hold_since is not null as is_on_hold from fcs.identity
),
told as (
    select told.*, now, is_on_hold
      from durable,
           unnest(
               %(task_ids)b::uuid[],
               %(run_ids)b::uuid[],
               %(attempts)s::int[],
               %(ages)s::float[],
               %(are_over)s::boolean[]
           ) with ordinality as told (task_id, run_id, attempt, age, is_over, no)
     where no between 1 and 1000000
),
task as (
      select tasks.*
        from (select distinct task_id from told) as named
        join fcs.tasks on tasks.id = named.task_id
       where tasks.status in ('pending', 'dispatched', 'running')
    order by tasks.id
         for no key update of tasks
),
forgotten as (
    select task.id,
           told.run_id,
           told.now - make_interval(secs => told.age) as started_at,
           least(told.attempt, task.max_attempts)::int as attempt
      from task
      join told on told.task_id = task.id
     where (
               task.status <> 'running'
               or task.run_id in (select run_id from told where is_over)
               or told.is_on_hold and task.run_id not in (select run_id from told)
               or told.attempt > task.attempt and task.run_id in (select run_id from told)
           )
       and not exists (
               select
                 from fcs.attempts
                where attempts.task_id = told.task_id
                  and attempts.run_id = told.run_id
           )
),
latest as (
      select distinct on (id) *
        from forgotten
    order by id, attempt desc, started_at desc
),
moved as (
       update fcs.tasks
          set status = case when may_retry then 'pending'::fcs.status else 'interrupted' end,
              worker_id = case when not may_retry then %(worker_id)s::uuid end,
              incarnation = null,
              run_id = case when not may_retry then latest.run_id end,
              attempt = judged.attempt,
              started_at = case when not may_retry then latest.started_at end,
              progress = case when not may_retry then tasks.progress end,
              due_at = case when may_retry then greatest(fcs.now(), scheduled_at) end,
              error = %(reason)s,
              updated_at = fcs.now()
         from latest,
              lateral (
                  select greatest(task.attempt, latest.attempt) as attempt,
                         task.retry_interrupted
                         and greatest(task.attempt, latest.attempt) < task.max_attempts
                         and task.cancel_requested_at is null as may_retry
                    from task
                   where task.id = latest.id
              ) as judged
        where tasks.id = latest.id
          and tasks.status in ('pending', 'dispatched', 'running')
    returning tasks.id
),
kept as (
    insert into fcs.attempts (
                    task_id, attempt, run_id, worker_id, outcome, started_at, ended_at, error
                )
         select id, attempt, run_id, %(worker_id)s, 'interrupted', started_at, fcs.now(), %(reason)s
           from forgotten
    on conflict do nothing
)
select id from moved;

-- name: report_progress
-- How far bodies have come.
with told as (
    select told.*
      from unnest(%(task_ids)b::uuid[], %(run_ids)b::uuid[], %(progress)s::text[])
               with ordinality as told (task_id, run_id, progress, no)
     where no between 1 and 1000000
  order by task_id
)
   update fcs.tasks
      set progress = told.progress::jsonb,
          updated_at = fcs.now()
     from told
    where tasks.id = told.task_id
      and tasks.run_id = told.run_id
      and tasks.status = 'running'
returning tasks.id;
