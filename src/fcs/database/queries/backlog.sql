-- What waits: the supervisor's view of pending tasks, lane by lane.
--
-- A lane is one stretch of the backlog index: (queue, type, priority, limit key). Reading on from a
-- bookmark instead of from the head keeps a busy lane cheap, because the head is where the
-- index entries of tasks already gone lie.

-- name: lanes
-- Which lanes have something pending: a few index descents for each, however long they are. After
-- a lane comes the next key of its priority, else the next priority of its type, else the next
-- type. The one to go on from is not listed again.
with recursive lane as (
    select %(queue)s::text as queue,
           %(ty)s::text as ty,
           %(priority)s::smallint as priority,
           %(limit_key)s::text as limit_key
    union all
    select next.*
      from lane,
           lateral (
               (
                     select queue, ty, priority, limit_key
                       from fcs.tasks
                      where due_at is not null
                        and queue = lane.queue
                        and ty = lane.ty
                        and priority = lane.priority
                        and limit_key > lane.limit_key
                   order by limit_key
                      limit 1
               )
               union all
               (
                     select queue, ty, priority, limit_key
                       from fcs.tasks
                      where due_at is not null
                        and queue = lane.queue
                        and ty = lane.ty
                        and priority < lane.priority
                   order by priority desc, limit_key
                      limit 1
               )
               union all
               (
                     select queue, ty, priority, limit_key
                       from fcs.tasks
                      where due_at is not null
                        and (queue, ty) > (lane.queue, lane.ty)
                   order by queue, ty, priority desc, limit_key
                      limit 1
               )
               limit 1
           ) as next
)
select queue, ty, priority, limit_key from lane offset 1 limit %(limit)s;

-- name: read_on
-- The next tasks of some lanes after their bookmarks, in the order in which they fall due.
-- Scheduled ones come too, if nothing else is asked for: the first of them tells when to look again.
select lane.no, task.id, task.due_at
  from unnest(
           %(queues)s::text[],
           %(types)s::text[],
           %(priorities)s::smallint[],
           %(limit_keys)s::text[],
           %(after_due)s::timestamptz[],
           %(after_ids)s::uuid[]
       ) with ordinality as lane (queue, ty, priority, limit_key, after_due, after_id, no),
       lateral (
             select id, due_at
               from fcs.tasks
              where due_at is not null
                and tasks.queue = lane.queue
                and tasks.ty = lane.ty
                and tasks.priority = lane.priority
                and tasks.limit_key = lane.limit_key
                and (tasks.due_at, tasks.id) > (lane.after_due, lane.after_id)
                and tasks.due_at <= %(until)s
           order by due_at, id
              limit %(limit)s
       ) as task;

-- name: find
-- The named tasks, as far as they are still pending and wait for nothing but their time: what a
-- hint was about.
select id, queue, ty, priority, limit_key, due_at
  from fcs.tasks
 where id = any(%(task_ids)b::uuid[])
   and status = 'pending'
   and coalesce(open_needs, 0) = 0;

-- name: now
-- The database's clock.
select fcs.now();
