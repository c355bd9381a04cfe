-- The life of a task, one statement for each move. A statement that returns no row lost a race
-- and changed nothing; that is an answer, not an error.
--
-- Rows are found by key, never by a scan: the cost does not depend on the backlog. Three habits
-- see to that whatever the statistics say, as they know nothing of a table that has just been
-- filled. `no between 1 and 1000000` makes the planner expect one row of an array, so it looks
-- each key up; `coalesce(due_at, ...)` and `is not distinct from` keep it away from the indexes
-- on those columns.
--
-- Who needs rows of workers and of tasks takes the workers first, and either by their ids: nobody
-- waits in a circle.

-- name: create
-- Add tasks and tell the supervisor. News rides in the statement that makes it true, so nobody
-- hears of a task that was rolled back. One JSON parameter, so that every driver can send it;
-- an id that is already there is the same create sent twice.
with durable as (select fcs.durably()),
wanted as (
    select wanted.*
      from durable,
           jsonb_to_recordset(%(tasks)s::jsonb) as wanted (
               id           uuid,
               ty           text,
               args         jsonb,
               queue        text,
               priority     smallint,
               scheduled_at timestamptz
           )
),
created as (
    insert into fcs.tasks (id, ty, args, queue, priority, scheduled_at, created_at, updated_at, due_at)
         select id,
                ty,
                args,
                queue,
                priority,
                scheduled_at,
                fcs.now(),
                fcs.now(),
                greatest(scheduled_at, fcs.now())
           from wanted
    on conflict (id) do nothing
      returning id
)
select count(*) as created,
       pg_notify(
           'fcs_supervisor',
           case when count(*) <= 200 then 'tasks ' || string_agg(id::text, ' ') else 'scan' end
       )
  from created
having count(*) > 0;

-- name: dispatch
-- Hand pending tasks to live workers, and name the tasks to them in hints of at most 200 ids.
-- Answers with those that were handed over, or null where it was all of them.
-- The worker's row is locked first, as the reaper does: a reaped worker gets nothing more.
with lazy as (select fcs.lazily()),
offered as (
    select task_id, incarnation, (no - 1) / 200 as part
      from unnest(%(task_ids)b::uuid[], %(incarnations)b::uuid[])
               with ordinality as offered (task_id, incarnation, no)
     where no between 1 and 1000000
),
receiver as (
      select workers.id, workers.incarnation
        from fcs.workers, lazy
       where workers.incarnation = any(%(incarnations)b::uuid[])
         and workers.state = 'live'
    order by workers.incarnation
         for no key update of workers
),
given as (
      select task_id, incarnation, id as worker_id, part
        from offered
        join receiver using (incarnation)
    order by task_id
),
dispatched as (
       update fcs.tasks
          set status = 'dispatched',
              worker_id = given.worker_id,
              incarnation = given.incarnation,
              dispatch_no = tasks.dispatch_no + 1,
              due_at = null,
              updated_at = fcs.now()
         from given
        where tasks.id = given.task_id
          and tasks.status = 'pending'
          and coalesce(tasks.due_at, 'infinity') <= fcs.now()
    returning tasks.id, tasks.incarnation, given.part
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
    group by incarnation, part
)
select case
           when (select count(*) from dispatched) < cardinality(%(task_ids)b::uuid[])
           then array(select id from dispatched)
       end as task_ids,
       (select count(pg_notify('fcs_worker_' || replace(incarnation::text, '-', ''), ids)) from hint) as hints;

-- name: fetch
-- Read what was dispatched to this process, before it begins, in the order in which it was
-- named. Text, so that a row inserted by hand can be decoded under guard.
  select tasks.id, tasks.ty, tasks.args::text as args_text, tasks.dispatch_no
    from unnest(%(task_ids)b::uuid[]) with ordinality as named (id, no),
         fcs.tasks
   where no between 1 and 1000000
     and tasks.id = named.id
     and tasks.incarnation is not distinct from %(incarnation)b
     and tasks.status = 'dispatched'
order by no
   limit %(limit)s;

-- name: begin
-- Take up tasks, each under the run id that its worker made beforehand. Sent again after an
-- unknown answer it gives the same answer, and because it writes, its commit is durable proof
-- that the run is known. Answers with those that run, or null where it is all of them.
with durable as (select fcs.durably()),
wanted as (
    select wanted.*
      from durable,
           unnest(%(task_ids)b::uuid[], %(dispatch_nos)b::int[], %(run_ids)b::uuid[])
               with ordinality as wanted (task_id, dispatch_no, run_id, no)
     where no between 1 and 1000000
  order by task_id
),
begun as (
       update fcs.tasks
          set status = 'running',
              run_id = wanted.run_id,
              attempt = tasks.attempt + (tasks.status = 'dispatched')::int,
              started_at = case tasks.status when 'dispatched' then fcs.now() else tasks.started_at end,
              updated_at = fcs.now()
         from wanted
        where tasks.id = wanted.task_id
          and tasks.incarnation is not distinct from %(incarnation)b
          and tasks.dispatch_no = wanted.dispatch_no
          and (
              tasks.status = 'dispatched'
              or tasks.status = 'running' and tasks.run_id = wanted.run_id
          )
    returning tasks.id
)
select case
           when (select count(*) from begun) < cardinality(%(task_ids)b::uuid[])
           then array(select id from begun)
       end as task_ids;

-- name: finish
-- Record how runs ended, and report the free slots in the same breath. Answers with those that
-- were recorded, or null where it was all of them.
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
  order by task_id
),
finished as (
       update fcs.tasks
          set status = ended.status,
              error = ended.error,
              incarnation = null,
              updated_at = fcs.now()
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
       pg_notify('fcs_supervisor', %(report)s::text);

-- name: release
-- Give back runs whose body was never started: the attempt does not count.
with durable as (select fcs.durably()),
wanted as (
    select wanted.*
      from durable,
           unnest(%(task_ids)b::uuid[], %(run_ids)b::uuid[])
               with ordinality as wanted (task_id, run_id, no)
     where no between 1 and 1000000
  order by task_id
),
released as (
       update fcs.tasks
          set status = 'pending',
              worker_id = null,
              incarnation = null,
              run_id = null,
              attempt = tasks.attempt - 1,
              started_at = null,
              due_at = greatest(scheduled_at, created_at),
              updated_at = fcs.now()
         from wanted
        where tasks.id = wanted.task_id
          and tasks.run_id = wanted.run_id
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
    returning tasks.id, tasks.queue, tasks.ty, tasks.priority, tasks.due_at, wanted.incarnation
),
unsent as (
    update fcs.workers
       set tasks_sent = tasks_sent - counted.tasks
      from (select incarnation, count(*) as tasks from returned group by incarnation) as counted
     where workers.incarnation = counted.incarnation
)
select id, queue, ty, priority, due_at from returned;

-- name: reap
-- Move everything that a lost process held: what it had not begun runs elsewhere, what it had
-- begun is interrupted. The caller holds the lock on the worker's row.
with durable as (select fcs.durably()),
held as (
      select id
        from fcs.tasks
       where incarnation = %(incarnation)s
         and status in ('dispatched', 'running')
    order by id
         for no key update
),
reaped as (
       update fcs.tasks
          set status = case status when 'dispatched' then 'pending'::fcs.status else 'interrupted' end,
              worker_id = case status when 'dispatched' then null else worker_id end,
              due_at = case status when 'dispatched' then greatest(scheduled_at, created_at) end,
              error = case status when 'running' then %(reason)s end,
              incarnation = null,
              updated_at = fcs.now()
         from durable, held
        where tasks.id = held.id
          and status in ('dispatched', 'running')
    returning tasks.id, status, queue, ty, priority, due_at
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
select id, status::text, queue, ty, priority, due_at
  from reaped, (select count(*) from hint) as told;

-- name: delete
-- Remove a task unless it is running. A dispatched one comes off its worker's account.
with durable as (select fcs.durably()),
holder as (
    select incarnation
      from fcs.workers
     where incarnation = (select incarnation from fcs.tasks where id = %(task_id)s)
       for no key update
),
found as (
    select tasks.id, tasks.status, tasks.incarnation
      from durable,
           (select count(*) from holder) as locked,
           fcs.tasks
     where tasks.id = %(task_id)s
       for update of tasks
),
deleted as (
    delete from fcs.tasks
          using found
          where tasks.id = found.id
            and found.status <> 'running'
),
unsent as (
    update fcs.workers
       set tasks_sent = tasks_sent - 1
      from found
     where workers.incarnation = found.incarnation
       and found.status = 'dispatched'
)
select status::text from found;

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

-- name: held
-- What this process holds, by its own row: for a worker that missed a hint or an answer.
  select id, status::text, run_id
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
