-- Creating tasks that are tied to something: to the key of their request. What is tied to
-- nothing is created by the quicker statement in tasks.sql.

-- name: create_linked
-- Add the tasks of one request, or find that its key has been used. Whoever comes second waits
-- for the first to commit, but not for long; the caller's own patience is put back afterwards.
-- What the key holds is answered: the tasks are new if that names them.
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
                   key          text
               )
           ) with ordinality as wanted
),
asked_for as (select array(select id from wanted order by ordinality) as ids),
held as (
    insert into fcs.keys as keys (key, fingerprint, task_ids, created_at)
         select key, fingerprint, ids, fcs.now()
           from request, asked_for
          where key is not null
    on conflict (key) do update
            set key = excluded.key
      returning keys.task_ids, keys.fingerprint
),
created as (
    insert into fcs.tasks (
                    id, ty, args, queue, priority, max_attempts, timeout, retry_interrupted, limit_key,
                    scheduled_at, created_at, updated_at, due_at, key
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
                coalesce(scheduled_at, fcs.now() + make_interval(secs => delay)),
                fcs.now(),
                fcs.now(),
                greatest(scheduled_at, fcs.now() + make_interval(secs => delay), fcs.now()),
                key
           from wanted
          where not exists (select from held, asked_for where held.task_ids <> asked_for.ids)
    on conflict (id) do nothing
      returning id
),
hint as (
    select pg_notify(
               'fcs_supervisor',
               case when count(*) <= 200 then 'tasks ' || string_agg(id::text, ' ') else 'scan' end
           )
      from created
    having count(*) > 0
)
select coalesce(held.task_ids, asked_for.ids) as task_ids,
       coalesce(held.fingerprint <> request.fingerprint, false) as is_reused,
       set_config('lock_timeout', patience.usual, true),
       (select count(*) from hint)
  from patience, request, asked_for
  left join held on true;

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
