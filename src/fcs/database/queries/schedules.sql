-- Schedules, the tasks they have created, and what the code of the workers declares.

-- name: create_schedule
-- Add a schedule that is not declared in code. No row: the name is taken.
with durable as (select fcs.durably())
insert into fcs.schedules (
                name, cron, tz, ty, args, options, catch_up, source, next_fire_at, created_at,
                updated_at
            )
     select %(name)s,
            %(cron)s,
            %(tz)s,
            %(ty)s,
            %(args)s::jsonb,
            %(options)s::jsonb,
            %(catch_up)s,
            'api',
            %(next_fire_at)s,
            fcs.now(),
            fcs.now()
       from durable
on conflict (name) do nothing
  returning name, pg_notify('fcs_supervisor', 'schedules');

-- name: adopt
-- Let a schedule say what is declared in code, and be there if it was not. No row: it is not one
-- of code, or says so already.
with durable as (select fcs.durably())
insert into fcs.schedules as schedules (
                name, cron, tz, ty, args, options, catch_up, source, digest, next_fire_at,
                created_at, updated_at
            )
     select %(name)s,
            %(cron)s,
            %(tz)s,
            %(ty)s,
            %(args)s::jsonb,
            %(options)s::jsonb,
            %(catch_up)s,
            'code',
            %(digest)s,
            %(next_fire_at)s,
            fcs.now(),
            fcs.now()
       from durable
on conflict (name) do update
        set cron = excluded.cron,
            tz = excluded.tz,
            ty = excluded.ty,
            args = excluded.args,
            options = excluded.options,
            catch_up = excluded.catch_up,
            digest = excluded.digest,
            -- With the same rule, what is due stays due.
            next_fire_at = case
                when schedules.paused_at is not null then null
                when (schedules.cron, schedules.tz) = (excluded.cron, excluded.tz)
                then schedules.next_fire_at
                else excluded.next_fire_at
            end,
            updated_at = excluded.updated_at
      where schedules.source = 'code'
        and schedules.digest <> excluded.digest
  returning name, pg_notify('fcs_supervisor', 'schedules');

-- name: edit
-- Let a schedule say something else, if it still is as it was read.
with durable as (select fcs.durably())
   update fcs.schedules
      set cron = %(cron)s,
          tz = %(tz)s,
          ty = %(ty)s,
          args = %(args)s::jsonb,
          options = %(options)s::jsonb,
          catch_up = %(catch_up)s,
          -- With the same rule, what is due stays due.
          next_fire_at = case
              when paused_at is not null then null
              when (cron, tz) = (%(cron)s, %(tz)s) then next_fire_at
              else %(next_fire_at)s::timestamptz
          end,
          updated_at = fcs.now()
     from durable
    where name = %(name)s
      and source = 'api'
      and updated_at = %(as_of)s
returning name, pg_notify('fcs_supervisor', 'schedules');

-- name: pause
-- Let a schedule rest, and say who wanted that and why.
with durable as (select fcs.durably())
   update fcs.schedules
      set paused_at = coalesce(paused_at, fcs.now()),
          paused_by = %(by)s,
          paused_why = %(why)s,
          next_fire_at = null,
          updated_at = fcs.now()
     from durable
    where name = %(name)s
returning name, pg_notify('fcs_supervisor', 'schedules');

-- name: resume
-- Let a paused schedule go on, if its rule still is the one by which the moment was computed.
with durable as (select fcs.durably())
   update fcs.schedules
      set paused_at = null,
          paused_by = null,
          paused_why = null,
          next_fire_at = %(next_fire_at)s,
          updated_at = fcs.now()
     from durable
    where name = %(name)s
      and paused_at is not null
      and updated_at = %(as_of)s
returning name, pg_notify('fcs_supervisor', 'schedules');

-- name: delete_schedule
-- Remove a schedule, unless a live worker declares it: it would be back at that worker's next
-- start. Its fires stay for a while, so that one of the same name repeats none.
with durable as (select fcs.durably())
delete from fcs.schedules
      using durable
      where name = %(name)s
        and not exists (
                select
                  from fcs.declarations
                  join fcs.workers on workers.incarnation = any(declarations.incarnations)
                 where declarations.schedule = %(name)s
                   and workers.state in ('live', 'draining')
            )
  returning name, pg_notify('fcs_supervisor', 'schedules');

-- name: list_schedules
-- A page by name, or the one schedule `only`.
   select name,
          cron,
          tz,
          ty,
          args::text as args_text,
          options,
          catch_up,
          source,
          case source when 'code' then coalesce(declared.workers, 0) end as declared_by,
          next_fire_at,
          last_fire_at,
          latest.task_id as last_task_id,
          paused_at,
          paused_by,
          paused_why,
          created_at,
          updated_at
     from fcs.schedules
left join lateral (
              select count(*) as workers
                from fcs.declarations
                join fcs.workers on workers.incarnation = any(declarations.incarnations)
               where declarations.schedule = schedules.name
                 and declarations.digest = schedules.digest
                 and workers.state in ('live', 'draining')
          ) as declared on true
left join lateral (
                select task_id
                  from fcs.fires
                 where fires.schedule = schedules.name
              order by fire_at desc
                 limit 1
          ) as latest on true
    where (%(only)s::text is null or name = %(only)s)
      and (%(after)s::text is null or name > %(after)s)
 order by name
    limit %(limit)s;

-- name: hold_due
-- Schedules whose time has come, or of them the one `only`, and what time it is. They are held for
-- the rest of the transaction.
-- Who fires may be frozen while it holds some: another one must not wait for it, and fires the rest.
-- What has much to make up for comes last: it may be long at it, and what is on time would be left
-- out then.
  select name,
         cron,
         tz,
         ty,
         args::text as args_text,
         options,
         catch_up,
         next_fire_at,
         fcs.now() as now
    from fcs.schedules
   where next_fire_at <= fcs.now()
     and (%(only)s::text is null or name = %(only)s)
order by catch_up = 'all' and next_fire_at < fcs.now() - %(on_time)s::interval,
         next_fire_at,
         name
   limit %(limit)s
     for no key update skip locked;

-- name: until_next
-- For how many seconds no schedule is due; null when there is none.
select extract(epoch from min(next_fire_at) - fcs.now())::float
  from fcs.schedules
 where next_fire_at is not null;

-- name: fire
-- Move schedules on that are still to fire as they were read, and write down for which moments.
-- Answers with the tasks to create, in the same transaction. A moment that was fired before gets
-- no second one, whoever set a schedule back.
with durable as (select fcs.durably()),
wanted as (
    select wanted.*
      from durable,
           jsonb_to_recordset(%(firings)s::jsonb) as wanted (
               name         text,
               was          timestamptz,
               next_fire_at timestamptz,
               fires        jsonb
           )
),
held as (
      select schedules.name, wanted.next_fire_at, wanted.fires
        from fcs.schedules
        join wanted using (name)
       where schedules.next_fire_at = wanted.was
    order by schedules.name
         for no key update of schedules
),
fire as (
    select held.name, fire.fire_at, fire.task_id
      from held,
           jsonb_to_recordset(held.fires) as fire (fire_at timestamptz, task_id uuid)
),
moved as (
    update fcs.schedules
       set next_fire_at = held.next_fire_at,
           last_fire_at = coalesce(
               (select max(fire_at) from fire where fire.name = held.name),
               last_fire_at
           )
      from held
     where schedules.name = held.name
)
insert into fcs.fires (schedule, fire_at, task_id)
     select name, fire_at, task_id
       from fire
   order by name, fire_at
on conflict (schedule, fire_at) do nothing
  returning task_id;

-- name: forget_fires
-- Forget for which moments of long ago tasks were created.
   delete from fcs.fires
    where fire_at < fcs.now() - make_interval(secs => %(seconds)s)
returning task_id;

-- name: limit_waits
-- Wait for no lock longer than that, for the rest of the transaction.
select set_config('lock_timeout', %(milliseconds)s::int::text, true);

-- name: lock_declarations
-- One at a time decides what the schedules of code say, for the rest of its transaction.
lock table fcs.declarations in share row exclusive mode;

-- name: declare
-- Write down what a worker declares. What was said before keeps the time when it was new.
insert into fcs.declarations as declarations (
                schedule, digest, definition, incarnations, declared_at, seen_at
            )
     select wanted.schedule,
            wanted.digest,
            wanted.definition,
            array[%(incarnation)s::uuid],
            fcs.now(),
            fcs.now()
       from jsonb_to_recordset(%(declarations)s::jsonb) as wanted (
                schedule   text,
                digest     text,
                definition jsonb
            )
on conflict (schedule, digest) do update
        set incarnations = declarations.incarnations || excluded.incarnations,
            seen_at = excluded.seen_at;

-- name: declared
-- Everything that is declared, and by how many live workers; what its schedule follows now.
   select declarations.schedule,
          declarations.digest,
          declarations.declared_at,
          (
              select count(*)
                from fcs.workers
               where workers.incarnation = any(declarations.incarnations)
                 and workers.state in ('live', 'draining')
          ) as live,
          declarations.definition::text as definition_text,
          schedules.source,
          schedules.digest as current
     from fcs.declarations
left join fcs.schedules on schedules.name = declarations.schedule
 order by declarations.schedule, declarations.declared_at, declarations.digest;

-- name: see_declarations
-- Note what live workers declare, and drop the processes that have ended.
with live as (
      select declarations.schedule, declarations.digest, array_agg(workers.incarnation) as incarnations
        from fcs.declarations
        join fcs.workers on workers.incarnation = any(declarations.incarnations)
       where workers.state in ('live', 'draining')
    group by declarations.schedule, declarations.digest
)
update fcs.declarations
   set seen_at = fcs.now(),
       incarnations = live.incarnations
  from live
 where declarations.schedule = live.schedule
   and declarations.digest = live.digest;

-- name: forget_declarations
-- Forget what no live worker has declared for long: said again, it is new.
   delete from fcs.declarations
    where seen_at < fcs.now() - make_interval(secs => %(seconds)s)
returning schedule;
