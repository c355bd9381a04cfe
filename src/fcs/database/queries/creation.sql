-- Creating tasks that are tied to something: to the key of their request, or to tasks that they
-- need. What is tied to nothing is created by the quicker statement in tasks.sql; and by still
-- quicker ones, at the end of this file, if it is one task as most are, or many that are alike.

-- name: create_linked
-- Add the tasks of one request, or find that its key has been used. Whoever comes second waits
-- for the first to commit, but not for long; the caller's own patience is put back afterwards.
-- What the key holds is answered: the tasks are new if that names them.
--
-- Nothing is created either where a needed task is not there. Those that are there are only looked
-- at: a success stays one, and of the others a note is left, which settling.sql sees to.
with durable as (select fcs.durably()),
patience as (
    select current_setting('lock_timeout') as usual,
           set_config('lock_timeout', '2s', true)
      from durable
),
request as (
    select asked ->> 'key' as key,
           asked ->> 'fingerprint' as fingerprint,
           asked -> 'tasks' as tasks
      from patience,
           (select %(request)s::jsonb as asked) as given
),
wanted as (
    select wanted.*
      from request,
           rows from (
               jsonb_to_recordset(request.tasks) as (
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
                   limit_key    text,
                   key          text,
                   after        uuid[],
                   when_needs_fail text
               )
           ) with ordinality as wanted
),
asked_for as (select array(select id from wanted order by ordinality) as ids),
needed as (
    select distinct
           fresh.id as task_id,
           needs_id,
           (select status from fcs.tasks where tasks.id = needs_id) as status
      from (
               select wanted.id, wanted.after
                 from wanted
                where (select tasks.id from fcs.tasks where tasks.id = wanted.id) is null
           ) as fresh,
           unnest(fresh.after) as needs_id
),
missing as (select distinct needs_id from needed where status is null),
counted as (
      select task_id, count(*) filter (where status <> 'succeeded') as open_needs
        from needed
    group by task_id
),
held as (
    insert into fcs.keys as keys (key, fingerprint, task_ids, created_at)
         select key, fingerprint, ids, fcs.now()
           from request, asked_for
          where key is not null
            and (
                not exists (select from missing)
                or exists (select from fcs.keys where keys.key = request.key)
            )
    on conflict (key) do update
            set key = excluded.key
      returning keys.task_ids, keys.fingerprint
),
created as (
    insert into fcs.tasks (
                    id, ty, args, queue, priority, max_attempts, timeout, retry_interrupted, limit_key,
                    scheduled_at, created_at, updated_at, due_at, key, open_needs, needs_may_fail
                )
         select wanted.id,
                ty,
                args,
                coalesce(queue, 'default'),
                coalesce(priority, 0),
                coalesce(max_attempts, 1),
                timeout,
                coalesce(on_interrupt, '') = 'retry',
                coalesce(limit_key, ''),
                coalesce(scheduled_at, fcs.now() + make_interval(secs => delay)),
                fcs.now(),
                fcs.now(),
                case
                    when coalesce(counted.open_needs, 0) = 0
                    then greatest(scheduled_at, fcs.now() + make_interval(secs => delay), fcs.now())
                end,
                key,
                counted.open_needs,
                coalesce(when_needs_fail, '') = 'run'
           from wanted
           left join counted on counted.task_id = wanted.id
          where not exists (select from held, asked_for where held.task_ids <> asked_for.ids)
            and not exists (select from missing)
    on conflict (id) do nothing
      returning id, due_at
),
linked as (
    insert into fcs.dependencies (task_id, needs_id, is_open)
         select task_id, needs_id, needed.status <> 'succeeded'
           from needed
           join created on created.id = needed.task_id
),
noted as (
    insert into fcs.unsettled (task_id)
         select distinct needs_id
           from needed
           join created on created.id = needed.task_id
          where needed.status <> 'succeeded'
      returning task_id
),
hint as (
    select pg_notify(
               'fcs_supervisor',
               case when count(*) <= 200 then 'tasks ' || string_agg(id::text, ' ') else 'scan' end
           )
      from created
     where due_at is not null
    having count(*) > 0
    union all
    select pg_notify('fcs_supervisor', 'settle')
      from noted
    having count(*) > 0
)
select coalesce(held.task_ids, asked_for.ids) as task_ids,
       coalesce(held.fingerprint <> request.fingerprint, false) as is_reused,
       array(select needs_id from missing order by needs_id) as missing,
       set_config('lock_timeout', patience.usual, true),
       (select count(*) from hint)
  from patience, request, asked_for
  left join held on true;

-- name: create_plain
-- Add one task of which nothing is chosen but its type and its arguments, as `create` in tasks.sql
-- does with any.
insert into fcs.tasks (
                id, ty, args, queue, priority, max_attempts, retry_interrupted, limit_key,
                created_at, updated_at, due_at
            )
     select %(id)s::uuid, %(ty)s::text, %(args)s::jsonb, 'default', 0, 1, false, '',
            now, now, now
       from (select fcs.durably(), fcs.now() as now) as durable
on conflict (id) do nothing
  returning 1 as created,
            case
                when case when %(is_alone)s::boolean then fcs.must_ring() else true end
                then pg_notify('fcs_supervisor', 'tasks ' || id::text)
            end;

-- name: create_alike
-- Add many tasks that differ in nothing but their ids and arguments, as `create` in tasks.sql does
-- with any: what they share is read once, and there are too many of them to be named in a hint.
with durable as (select fcs.durably(), fcs.now() as now),
shared as (
    select shared.*, now
      from durable,
           jsonb_to_record(%(shared)s::jsonb) as shared (
               ty           text,
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
         select wanted.id,
                ty,
                wanted.args,
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
           from shared,
                rows from (
                    unnest(%(ids)s::uuid[]),
                    jsonb_array_elements(%(args)s::jsonb)
                ) as wanted (id, args)
    on conflict (id) do nothing
      returning due_at
)
select count(*) as created,
       case
           when case when %(is_alone)s::boolean and max(due_at) <= fcs.now() then fcs.must_ring() else true end
           then pg_notify('fcs_supervisor', 'scan')
       end
  from created
having count(*) > 0;

-- name: forget_keys
-- Let go of keys whose tasks were deleted long enough ago. One of whose tasks some are still
-- there is held on to, until the next of them is deleted.
with freed as (
      select key,
             exists (
                 select
                   from unnest(keys.task_ids) as named (id)
                  where exists (select from fcs.tasks where tasks.id = named.id)
             ) as is_in_use
        from fcs.keys
       where freed_at < fcs.now() - make_interval(secs => %(seconds)s)
    order by freed_at
       limit %(limit)s
         for update skip locked
),
kept as (
    update fcs.keys
       set freed_at = null
      from freed
     where keys.key = freed.key
       and freed.is_in_use
),
forgotten as (
    delete from fcs.keys
          using freed
          where keys.key = freed.key
            and not freed.is_in_use
)
select count(*) from freed;
