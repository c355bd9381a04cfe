-- What there is around a task that may hold it back.

-- name: look_around
-- The time, the outcome of the task's last run, how many of its lane are due before it, the tasks
-- that have to end before it, and its queue: what was laid down for it, and what workers hold of it. Each count stops somewhere.
with task as (
    select * from fcs.tasks where id = %(id)s
),
held as (
    select tasks.id, tasks.limit_key
      from fcs.tasks
     where tasks.incarnation is not null
       and tasks.queue = (select queue from task)
     limit %(count_max)s
)
   select fcs.now(),
          (
              select outcome
                from fcs.attempts
               where task_id = task.id
            order by attempt desc
               limit 1
          ),
          (
              select count(*)
                from (
                         select
                           from fcs.tasks as other
                          where other.due_at is not null
                            and other.queue = task.queue
                            and other.ty = task.ty
                            and other.priority = task.priority
                            and other.limit_key = task.limit_key
                            and (other.due_at, other.id) < (task.due_at, task.id)
                          limit %(count_max)s
                     ) as ahead
          ),
          coalesce(task.open_needs, 0),
          array(
                select needs_id
                  from fcs.dependencies
                 where task_id = task.id
                   and is_open
              order by needs_id
                 limit %(ids_max)s
          ),
          queues.paused_at,
          coalesce(queues.paused_by, ''),
          coalesce(queues.paused_why, ''),
          queues.running_max,
          queues.rate,
          queues.key_running_max,
          queues.key_rate,
          (select count(*) from held),
          array(select id from held order by id limit %(ids_max)s),
          (select count(*) from held where held.limit_key = task.limit_key),
          array(select id from held where held.limit_key = task.limit_key order by id limit %(ids_max)s)
     from task
left join fcs.queues on queues.name = task.queue;
