-- What waits: the supervisor's view of pending tasks, lane by lane.
--
-- A lane is one stretch of the backlog index: (queue, type, priority, limit key). Reading on from a
-- bookmark instead of from the head keeps a busy lane cheap, because the head is where the
-- index entries of tasks already gone lie.

-- name: lanes
-- Which lanes have something pending after a lane, without those that are known: one index
-- descent for each that is found or known, however long they are. The search goes between the
-- known lanes and never into one, for there may lie any number of dead entries.
with recursive edge as (
    select queue,
           ty,
           priority,
           limit_key,
           lead(queue) over in_order as next_queue,
           lead(ty) over in_order as next_ty,
           lead(priority) over in_order as next_priority,
           lead(limit_key) over in_order as next_limit_key
      from (
               values (%(queue)s::text, %(ty)s::text, %(priority)s::smallint, %(limit_key)s::text)
               union
               select *
                 from unnest(
                          %(known_queues)s::text[],
                          %(known_types)s::text[],
                          %(known_priorities)s::smallint[],
                          %(known_limit_keys)s::text[]
                      ) as known (queue, ty, priority, limit_key)
                where (queue, ty, priority, limit_key)
                      > (%(queue)s::text, %(ty)s::text, %(priority)s::smallint, %(limit_key)s::text)
           ) as known (queue, ty, priority, limit_key)
    window in_order as (order by queue, ty, priority, limit_key)
),
lane as (
    select false as is_new, * from edge
    union all
    select true,
           next.*,
           lane.next_queue,
           lane.next_ty,
           lane.next_priority,
           lane.next_limit_key
      from lane,
           lateral (
               (
                     select queue, ty, priority, limit_key
                       from fcs.tasks
                      where due_at is not null
                        and (queue, ty, priority, limit_key)
                            > (lane.queue, lane.ty, lane.priority, lane.limit_key)
                        and (queue, ty, priority, limit_key)
                            < (lane.next_queue, lane.next_ty, lane.next_priority, lane.next_limit_key)
                   order by queue, ty, priority, limit_key
                      limit 1
               )
               union all
               (
                     select queue, ty, priority, limit_key
                       from fcs.tasks
                      where lane.next_queue is null
                        and due_at is not null
                        and (queue, ty, priority, limit_key)
                            > (lane.queue, lane.ty, lane.priority, lane.limit_key)
                   order by queue, ty, priority, limit_key
                      limit 1
               )
               limit 1
           ) as next
)
  select queue, ty, priority, limit_key
    from (select * from lane where is_new limit %(limit)s) as found
order by queue, ty, priority, limit_key;

-- name: read_on
-- The next tasks of some lanes after their bookmarks, in the order in which they fall due.
-- Scheduled ones come too, if nothing else is asked for: the first of them tells when to look again.
-- Where `slots` has a bit for each hash slot, those whose bit is set, and no others.
select lane.no, task.id, task.due_at
  from unnest(
           %(queues)s::text[],
           %(types)s::text[],
           %(priorities)s::smallint[],
           %(limit_keys)s::text[],
           %(after_due)s::timestamptz[],
           %(after_ids)s::uuid[],
           %(slots)s::bytea[]
       ) with ordinality as lane (queue, ty, priority, limit_key, after_due, after_id, slots, no),
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
                and (lane.slots is null or get_bit(lane.slots, fcs.slot(tasks.id)) = 1)
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
