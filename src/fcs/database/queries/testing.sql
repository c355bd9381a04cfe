-- What tests ask of a database of their own.

-- name: find_enqueued
-- Tasks of a type, the newest first. `is_match` says whether the arguments named are as wanted.
  select id,
         args::text,
         status::text,
         queue,
         priority,
         scheduled_at,
         not exists (
             select
               from jsonb_each(%(wanted)s::jsonb) as wanted
              where args -> wanted.key is distinct from wanted.value
         ) as is_match
    from fcs.tasks
   where ty = %(ty)s
order by id desc
   limit %(limit)s;

-- name: left_due
-- What could go on by now: tasks of these types that run or are due, ended tasks that others wait
-- for, and schedules that are due or, of those named, not yet written down.
(
      select format('task %%s (%%s, %%s)', id, ty, status) as words
        from fcs.tasks
       where ty = any(%(types)s::text[])
         and (status in ('dispatched', 'running') or due_at <= fcs.now())
    order by id
       limit %(limit)s
)
union all
(
    select format('what waits for task %%s', task_id)
      from fcs.unsettled
     limit %(limit)s
)
union all
(
       select format('schedule %%s', coalesce(schedules.name, wanted.name))
         from unnest(%(schedules)s::text[]) as wanted (name)
    full join fcs.schedules using (name)
        where schedules.name is null
           or (ty = any(%(types)s::text[]) and next_fire_at <= fcs.now())
        limit %(limit)s
);

-- name: find_clock
-- How the clock of this database is made.
select pg_get_functiondef('fcs.now()'::regprocedure);
