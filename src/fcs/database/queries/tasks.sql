-- The life of a task, one statement for each move. A statement that returns no row lost a race
-- and changed nothing; that is an answer, not an error.
--
-- Rows are found by key, never by a scan: the cost does not depend on the backlog. Three habits
-- see to that whatever the statistics say, as they know nothing of a table that has just been
-- filled. `no between 1 and 1000000` makes the planner expect one row of an array, so it looks
-- each key up; `coalesce(due_at, ...)` and `is not distinct from` keep it away from the indexes
-- on those columns. The clock is read once for a statement, and not for each row and column.
--
-- Who needs rows of workers and of tasks takes the workers first, and either by their ids: nobody
-- waits in a circle.

-- name: create
-- Add tasks, and ring a supervisor that sleeps; one that is awake for tasks that fall due later or
-- are part of a longer transaction. Nobody hears of a task that was rolled back. Its parameters are
-- text, so that every driver can send them; an id that is there already is the same create again.
with durable as (select fcs.durably(), fcs.now() as now),
wanted as (
    select wanted.*, now
      from durable,
           jsonb_to_recordset(%(tasks)s::jsonb) as wanted (
               id           uuid,
               ty           text,
               args         jsonb,
               queue        text,
               priority     smallint,
               scheduled_at timestamptz,
               delay        float,
               max_attempts smallint,
               timeout      real,
               on_interrupt text,
               limit_key    text
           )
),
created as (
    insert into fcs.tasks (
                    id, ty, args, queue, priority, max_attempts, timeout, retry_interrupted, limit_key,
                    scheduled_at, created_at, updated_at, due_at
                )
         select id,
                ty,
                args,
                coalesce(queue, 'default'),
                coalesce(priority, 0),
                coalesce(max_attempts, 1),
                timeout,
                coalesce(on_interrupt, '') = 'retry',
                coalesce(limit_key, ''),
                coalesce(scheduled_at, now + make_interval(secs => delay)),
                now,
                now,
                greatest(scheduled_at, now + make_interval(secs => delay), now)
           from wanted
    on conflict (id) do nothing
      returning id, due_at
)
select count(*) as created,
       case
           when case when %(is_alone)s::boolean and max(due_at) <= fcs.now() then fcs.must_ring() else true end
           then pg_notify('fcs_supervisor', case when count(*) <= 200 then 'tasks ' || string_agg(id::text, ' ') else 'scan' end)
       end
  from created
having count(*) > 0;

-- name: dispatch
-- Hand pending tasks to live workers, and name the tasks to them in hints of at most 200 ids; who
-- hands out to himself does so quietly. Answers with those that were handed over, or null where it
-- was all of them. A leader makes sure of its term first and holds it until the commit: the next one
-- knows of all that this one has handed out. Then the workers' rows are locked, as the reaper does: a
-- reaped one gets nothing more. `offset 0` keeps apart what joins all tasks to all workers at once
-- from what looks up one by one.
with lazy as (select fcs.lazily(), fcs.now() as now, is_open from fcs.home),
offered as (
    select task_id, incarnation, no
      from unnest(%(task_ids)b::uuid[], %(incarnations)b::uuid[])
               with ordinality as offered (task_id, incarnation, no)
),
office as (select from fcs.leadership where term = %(term)s for share),
receiver as (
      select workers.id, workers.incarnation, lazy.now
        from lazy, (select count(*) = 1 as is_ours from office) as office, fcs.workers
       where is_open and (%(term)s::bigint is null or office.is_ours)
         and workers.incarnation = any(%(incarnations)b::uuid[])
         and workers.state = 'live'
    order by workers.incarnation
         for no key update of workers
),
given as (
      select task_id, incarnation, id as worker_id, no, now
        from offered
        join receiver using (incarnation)
    order by task_id
      offset 0
),
dispatched as (
       update fcs.tasks
          set status = 'dispatched',
              worker_id = given.worker_id,
              incarnation = given.incarnation,
              dispatch_no = mod(tasks.dispatch_no, 2147483647) + 1,
              due_at = null,
              updated_at = now
         from given
        where given.no between 1 and 1000000
          and tasks.id = given.task_id
          and tasks.status = 'pending'
          and coalesce(tasks.due_at, 'infinity') <= now
    returning tasks.id, tasks.incarnation, (given.no - 1) / 200 as part
),
sent as (
    update fcs.workers
       set tasks_sent = tasks_sent + counted.tasks
      from (select incarnation, count(*) as tasks from dispatched group by incarnation) as counted
     where workers.incarnation = counted.incarnation
),
hint as (
      select incarnation, string_agg(id::text, ' ') as ids
        from dispatched
       where not %(is_quiet)s::boolean
    group by incarnation, part
)
select case
           when (select count(*) from dispatched) < cardinality(%(task_ids)b::uuid[]) then array(select id from dispatched)
       end as task_ids,
       (select count(pg_notify('fcs_worker_' || replace(incarnation::text, '-', ''), ids)) from hint) as hints,
       (select is_open from lazy);

-- name: fetch
-- Read what was dispatched to this process, before it begins, in the order in which it was
-- named. Text, so that a row inserted by hand can be decoded under guard.
  select tasks.id,
         tasks.ty,
         tasks.args::text as args_text,
         tasks.dispatch_no,
         tasks.attempt + 1 as attempt,
         tasks.max_attempts,
         tasks.timeout,
         tasks.retry_interrupted
    from unnest(%(task_ids)b::uuid[]) with ordinality as named (id, no),
         fcs.tasks
   where no between 1 and 1000000
     and tasks.id = named.id
     and tasks.incarnation is not distinct from %(incarnation)b
     and tasks.status = 'dispatched'
order by no
   limit %(limit)s;

-- name: hand_back
-- Return tasks that were dispatched here and will not begin here.
with wanted as (
    select wanted.*
      from unnest(%(task_ids)b::uuid[], %(dispatch_nos)b::int[])
               with ordinality as wanted (task_id, dispatch_no, no)
     where no between 1 and 1000000
  order by task_id
),
returned as (
       update fcs.tasks
          set status = 'pending',
              worker_id = null,
              incarnation = null,
              due_at = greatest(scheduled_at, created_at),
              updated_at = fcs.now()
         from wanted
        where tasks.id = wanted.task_id
          and tasks.incarnation is not distinct from %(incarnation)b
          and tasks.dispatch_no = wanted.dispatch_no
          and tasks.status = 'dispatched'
    returning tasks.id
)
select array_agg(id) as task_ids,
       pg_notify(
           'fcs_supervisor',
           case when count(*) <= 200 then 'tasks ' || string_agg(id::text, ' ') else 'rescan' end
       )
  from returned
having count(*) > 0;

-- name: refuse
-- Fail a task whose arguments cannot be read: its body was never started.
with durable as (select fcs.durably())
   update fcs.tasks
      set status = 'failed',
          error = %(error)s,
          incarnation = null,
          updated_at = fcs.now()
     from durable
    where id = %(task_id)s
      and incarnation = %(incarnation)s
      and dispatch_no = %(dispatch_no)s
      and status = 'dispatched'
returning id;

-- name: take_back
-- Return to pending what a worker has not begun in time, and take it off that worker's account.
-- The worker's row is locked first: everybody who needs both rows takes them in that order.
with holder as (
      select incarnation
        from fcs.workers
       where incarnation = any(%(incarnations)b::uuid[])
    order by incarnation
         for no key update
),
wanted as (
    select wanted.*
      from (select count(*) from holder) as locked,
           unnest(%(task_ids)b::uuid[], %(incarnations)b::uuid[], %(dispatch_nos)b::int[])
               with ordinality as wanted (task_id, incarnation, dispatch_no, no)
     where no between 1 and 1000000
  order by task_id
),
returned as (
       update fcs.tasks
          set status = 'pending',
              worker_id = null,
              incarnation = null,
              due_at = greatest(scheduled_at, created_at),
              updated_at = fcs.now()
         from wanted
        where tasks.id = wanted.task_id
          and tasks.incarnation is not distinct from wanted.incarnation
          and tasks.dispatch_no = wanted.dispatch_no
          and tasks.status = 'dispatched'
    returning tasks.id, tasks.queue, tasks.ty, tasks.priority, tasks.limit_key, tasks.due_at, wanted.incarnation
),
unsent as (
    update fcs.workers
       set tasks_sent = tasks_sent - counted.tasks
      from (select incarnation, count(*) as tasks from returned group by incarnation) as counted
     where workers.incarnation = counted.incarnation
)
select id, queue, ty, priority, limit_key, due_at from returned;

-- name: reap
-- Move everything that a lost process held: what it had not begun runs elsewhere, what it had begun is
-- interrupted, or runs again where that was asked for. The caller holds the lock on the worker's row.
-- The pause before the next attempt keeps a body that kills workers from doing so in a row; the type's
-- own backoff lives in workers' code.
with durable as (select fcs.durably()),
held as (
      select id,
             status,
             attempt,
             run_id,
             worker_id,
             started_at,
             status = 'running'
                 and retry_interrupted
                 and attempt < max_attempts
                 and cancel_requested_at is null as may_retry
        from fcs.tasks, durable
       where incarnation = %(incarnation)s
         and status in ('dispatched', 'running')
    order by id
         for no key update of tasks
),
reaped as (
       update fcs.tasks
          set status = case when held.status = 'dispatched' or may_retry then 'pending'::fcs.status else 'interrupted' end,
              worker_id = case when held.status = 'running' and not may_retry then tasks.worker_id end,
              run_id = case when not may_retry then tasks.run_id end,
              started_at = case when not may_retry then tasks.started_at end,
              progress = case when not may_retry then tasks.progress end,
              due_at = case
                           when held.status = 'dispatched' then greatest(scheduled_at, created_at)
                           when may_retry then greatest(
                               fcs.now() + make_interval(secs => least(300, 2 ^ greatest(0, least(held.attempt, 9))) * (1 + random()) / 2),
                               scheduled_at
                           )
                       end,
              error = case when held.status = 'running' then %(reason)s else error end,
              incarnation = null,
              updated_at = fcs.now()
         from held
        where tasks.id = held.id
          and tasks.status in ('dispatched', 'running')
    returning tasks.id, tasks.status, held.status as was, queue, ty, priority, limit_key, due_at
),
kept as (
    insert into fcs.attempts (
                    task_id, attempt, run_id, worker_id, outcome, started_at, ended_at, error
                )
         select id, attempt, run_id, worker_id, 'interrupted', started_at, fcs.now(), %(reason)s
           from held
          where status = 'running' and run_id is not null and started_at is not null
    on conflict do nothing
),
hint as (
    select pg_notify(
               'fcs_supervisor',
               case when count(*) <= 200 then 'tasks ' || string_agg(id::text, ' ') else 'rescan' end
           )
      from reaped
     where status = 'pending'
    having count(*) > 0
)
select id, status::text, was::text, queue, ty, priority, limit_key, due_at
  from reaped, (select count(*) from hint) as told;

-- name: cancel
-- End tasks that have not begun, and ask the workers of those that run. Answers with the status in
-- which each was found under the lock. A dispatched one comes off its worker's account.
with durable as (select fcs.durably()),
named as (
    select task_id
      from durable,
           unnest(%(task_ids)s::uuid[]) with ordinality as named (task_id, no)
     where no between 1 and 1000000
),
holder as (
      select incarnation
        from fcs.workers
       where incarnation in (
                 select tasks.incarnation
                   from named
                   join fcs.tasks on tasks.id = named.task_id
             )
    order by incarnation
         for no key update
),
found as (
      select tasks.id, tasks.status, tasks.incarnation
        from (select count(*) from holder) as locked,
             named
        join fcs.tasks on tasks.id = named.task_id
    order by tasks.id
         for no key update of tasks
),
stopped as (
       update fcs.tasks
          set status = 'cancelled',
              error = %(error)s,
              cancel_requested_at = fcs.now(),
              cancel_reason = %(reason)s,
              cancel_level = 'before_start',
              due_at = null,
              worker_id = null,
              incarnation = null,
              updated_at = fcs.now()
         from found
        where tasks.id = found.id
          and found.status in ('pending', 'dispatched')
    returning tasks.id, found.status as was, found.incarnation
),
asked as (
       update fcs.tasks
          set cancel_requested_at = fcs.now(),
              cancel_reason = %(reason)s,
              updated_at = fcs.now()
         from found
        where tasks.id = found.id
          and found.status = 'running'
          and tasks.cancel_requested_at is null
),
unsent as (
    update fcs.workers
       set tasks_sent = tasks_sent - counted.tasks
      from (select incarnation, count(*) as tasks from stopped where was = 'dispatched' group by incarnation) as counted
     where workers.incarnation = counted.incarnation
),
hint as (
      select incarnation, string_agg(id::text, ' ') as ids
        from (
                 select id, incarnation, (row_number() over (partition by incarnation) - 1) / 200 as part
                   from found
                  where status = 'running'
             ) as runs
    group by incarnation, part
)
select id,
       status::text,
       (select count(pg_notify('fcs_worker_' || replace(incarnation::text, '-', ''), 'cancel ' || ids)) from hint) as hints
  from found;

-- name: delete
-- Remove tasks unless they are running, or awaited by others. Answers with how each was found. A
-- dispatched one comes off its worker's account.
with durable as (select fcs.durably()),
named as (
    select task_id
      from durable,
           unnest(%(task_ids)s::uuid[]) with ordinality as named (task_id, no)
     where no between 1 and 1000000
),
holder as (
      select incarnation
        from fcs.workers
       where incarnation in (
                 select tasks.incarnation
                   from named
                   join fcs.tasks on tasks.id = named.task_id
             )
    order by incarnation
         for no key update
),
found as (
      select tasks.id,
             tasks.status,
             tasks.incarnation,
             (
                 select true
                   from fcs.dependencies
                  where needs_id = tasks.id
                    and is_open
                    and (select status from fcs.tasks as dependant where dependant.id = dependencies.task_id) = 'pending'
                  limit 1
             ) is true as is_awaited
        from (select count(*) from holder) as locked,
             named
        join fcs.tasks on tasks.id = named.task_id
    order by tasks.id
         for update of tasks
),
deleted as (
    delete from fcs.tasks
          using found
          where tasks.id = found.id
            and found.status <> 'running'
            and not found.is_awaited
),
unsent as (
    update fcs.workers
       set tasks_sent = tasks_sent - counted.tasks
      from (select incarnation, count(*) as tasks from found where status = 'dispatched' and not is_awaited group by incarnation) as counted
     where workers.incarnation = counted.incarnation
)
select id, status::text, is_awaited from found;

-- name: held
-- What this process holds, by its own row: for a worker that missed a hint or an answer.
  select id, status::text, run_id, cancel_requested_at is not null as is_cancelled
    from fcs.tasks
   where incarnation = %(incarnation)s
     and status in ('dispatched', 'running')
order by updated_at, id
   limit %(limit)s;

-- name: overdue
-- What was dispatched longer than `seconds` ago and has not begun.
  select id, incarnation, dispatch_no, extract(epoch from fcs.now() - updated_at)::float as age
    from fcs.tasks
   where incarnation = any(%(incarnations)b::uuid[])
     and status = 'dispatched'
     and updated_at < fcs.now() - make_interval(secs => %(seconds)s)
order by updated_at
   limit %(limit)s;

-- name: hint_again
-- Name tasks once more to the worker that holds them.
select pg_notify('fcs_worker_' || replace(%(incarnation)s::uuid::text, '-', ''), %(ids)s::text);
