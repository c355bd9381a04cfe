-- Acts on many tasks at a time: finding them page by page, and running ended ones once more.

-- name: match
-- One page of the table from an id downwards, whatever is in it; of its tasks, those that match,
-- the newest first. A page costs the same however few do. No row where there is no page left.
with page as (
      select id, status, ty, queue, created_at
        from fcs.tasks
       where (%(before)s::uuid is null or id < %(before)s)
         and id <= coalesce(%(before)s, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    order by id desc
       limit %(limit)s
),
matching as (
    select id, status
      from page
     where status = any(%(among)s::fcs.status[])
       and (%(ty)s::text is null or ty = %(ty)s)
       and (%(queue)s::text is null or queue = %(queue)s)
       and (
           %(older_than)s::float is null
           or created_at <= fcs.now() - make_interval(secs => %(older_than)s)
       )
)
  select id as last,
         array(select id from matching order by id desc) as ids,
         array(select status::text from matching order by id desc) as statuses
    from page
order by id
   limit 1;

-- name: repeat
-- Create tasks anew that have ended: same type, arguments and options, as new tasks with ids of
-- their own, because a final status never changes. Answers with the status in which each was
-- found; sent again after an unknown answer it creates nothing twice. An attempt that a snooze
-- added is not handed on.
with durable as (select fcs.durably()),
wanted as (
    select wanted.*
      from durable,
           unnest(%(task_ids)s::uuid[], %(new_ids)s::uuid[])
               with ordinality as wanted (task_id, new_id, no)
     where no between 1 and 1000000
),
found as (
    select tasks.*, wanted.new_id
      from wanted
      join fcs.tasks on tasks.id = wanted.task_id
),
repeated as (
    insert into fcs.tasks (
                    id, ty, args, queue, priority, max_attempts, timeout, retry_interrupted, limit_key,
                    created_at, updated_at, due_at
                )
         select new_id,
                ty,
                args,
                queue,
                priority,
                greatest(1, max_attempts - (
                    select count(*)
                      from fcs.attempts
                     where attempts.task_id = found.id
                       and attempts.outcome = 'snoozed'
                )),
                timeout,
                retry_interrupted,
                limit_key,
                fcs.now(),
                fcs.now(),
                fcs.now()
           from found
          where status in ('succeeded', 'failed', 'interrupted', 'cancelled')
    on conflict (id) do nothing
      returning id
),
hint as (
    select pg_notify(
               'fcs_supervisor',
               case when count(*) <= 200 then 'tasks ' || string_agg(id::text, ' ') else 'scan' end
           )
      from repeated
    having count(*) > 0
)
select id, status::text
  from found, (select count(*) from hint) as told;
