-- What follows from the end of a task that others need. Who creates a task that needs others
-- never touches their rows, so that his transaction, however long it stays open, holds up no
-- worker. He leaves a note instead, and so does whoever ends a needed task; the notes are seen to
-- here, one bounded step at a time.
--
-- Rows of tasks are locked in the order of their ids, those of dependencies only under the lock
-- of the task that needs. The habits are those of tasks.sql: the numbering of rows keeps them from
-- being joined otherwise than by key, and so does looking a status up by a subquery.

-- name: mark_needed
-- Let tasks that are newly needed and have not ended know it: whoever ends them leaves a note.
-- One that ends in this very moment keeps its note. Answers with how many notes were seen to.
with taken as (
      select no, task_id
        from fcs.unsettled
       where (select status from fcs.tasks where tasks.id = unsettled.task_id)
             in ('pending', 'dispatched', 'running')
    order by no
       limit %(limit)s
         for update skip locked
),
named as (
    select task_id
      from (
               select task_id, row_number() over () as no
                 from (select distinct task_id from taken) as once
           ) as numbered
     where no between 1 and 1000000
),
found as (
      select tasks.id, tasks.status, tasks.is_needed
        from named
        join fcs.tasks on tasks.id = named.task_id
    order by tasks.id
         for no key update of tasks
),
marked as (
    update fcs.tasks
       set is_needed = true
      from found
     where tasks.id = found.id
       and not found.is_needed
       and found.status in ('pending', 'dispatched', 'running')
),
seen as (
    delete from fcs.unsettled
          using taken, found
          where unsettled.no = taken.no
            and taken.task_id = found.id
            and found.status in ('pending', 'dispatched', 'running')
)
select count(*) from taken;

-- name: settle
-- Count the ends of needed tasks for those that wait for them: the last one makes a task due, and
-- one without success cancels it, unless that may be. A needed task that is gone counts as one
-- without success. Answers with how many notes were taken and with what fell due, and names that
-- in a hint where others hand out as well; where the limit on dependencies was met, the notes stay
-- for the next step.
with durable as (select fcs.durably()),
taken as (
      select no,
             task_id,
             (select status from fcs.tasks where tasks.id = unsettled.task_id) as status
        from fcs.unsettled, durable
       where (select status from fcs.tasks where tasks.id = unsettled.task_id)
             in ('pending', 'dispatched', 'running') is not true
    order by no
       limit %(limit)s
         for update of unsettled skip locked
),
ended as (select distinct task_id, status from taken),
edge as (
    select open.task_id, ended.task_id as needs_id, ended.status, row_number() over () as no
      from ended,
           lateral (
                 select dependencies.task_id
                   from fcs.dependencies
                  where dependencies.needs_id = ended.task_id
                    and is_open
               order by dependencies.task_id
                  limit %(edges)s
           ) as open
     limit %(edges)s
),
named as (
    select task_id
      from (
               select task_id, row_number() over () as no
                 from (select distinct task_id from edge) as once
           ) as numbered
     where no between 1 and 1000000
),
dependant as (
      select tasks.id
        from named
        join fcs.tasks on tasks.id = named.task_id
    order by tasks.id
         for no key update of tasks
),
closed as (
       update fcs.dependencies
          set is_open = false
         from edge
        where (select count(*) from dependant) >= 0  -- locked, first of all
          and edge.no between 1 and 1000000
          and dependencies.task_id = edge.task_id
          and dependencies.needs_id = edge.needs_id
          and dependencies.is_open
    returning dependencies.task_id, dependencies.needs_id, edge.status
),
counted as (
      select task_id,
             count(*) as ends,
             (array_agg(needs_id order by needs_id) filter (where status is distinct from 'succeeded'))[1] as failed_id,
             (array_agg(status order by needs_id) filter (where status is distinct from 'succeeded'))[1] as failed_status,
             row_number() over () as no
        from closed
    group by task_id
),
verdict as (
    select task_id,
           ends,
           failed_id is not null as has_failed,
           format(
               'never started: task %%s, which it needs, %%s',
               failed_id,
               case failed_status
                   when 'failed' then 'failed'
                   when 'interrupted' then 'was interrupted'
                   when 'cancelled' then 'was cancelled'
                   else 'was deleted'
               end
           ) as why
      from counted
     where no between 1 and 1000000
),
moved as (
       update fcs.tasks
          set status = case when has_failed and not needs_may_fail then 'cancelled'::fcs.status else status end,
              open_needs = open_needs - ends,
              due_at = case
                           when open_needs = ends and (needs_may_fail or not has_failed)
                           then greatest(scheduled_at, fcs.now())
                       end,
              error = case when has_failed and not needs_may_fail then why else error end,
              cancel_requested_at = case when has_failed and not needs_may_fail then fcs.now() end,
              cancel_reason = case when has_failed and not needs_may_fail then 'a task that it needs did not succeed' end,
              cancel_level = case when has_failed and not needs_may_fail then 'before_start' end,
              updated_at = fcs.now()
         from verdict
        where tasks.id = verdict.task_id
          and tasks.status = 'pending'
    returning tasks.id, queue, ty, priority, limit_key, due_at
),
seen as (
    delete from fcs.unsettled
          using taken
          where unsettled.no = taken.no
            and (select count(*) from edge) < %(edges)s
),
hint as (
    select pg_notify(
               'fcs_supervisor',
               case when count(*) <= 200 then 'tasks ' || string_agg(id::text, ' ') else 'scan' end
           )
      from moved
     where due_at is not null
       and %(rings)s
    having count(*) > 0
)
select notes.count, moved.*
  from (select count(*) from taken) as notes
 cross join (select count(*) from hint) as told
  left join moved on moved.due_at is not null;
