-- Queues: pause, limits, and what waits and runs in them.

-- name: rules
-- What holds something back: the queues that are paused or limited.
  select name, paused_at is not null, running_max, rate, burst, key_running_max, key_rate, key_burst
    from fcs.queues
   where paused_at is not null
      or num_nonnulls(running_max, rate, key_running_max, key_rate) > 0
order by name;

-- name: held_in
-- What is dispatched or running in some queues, by the index of what workers hold.
select id, queue, limit_key, incarnation
  from fcs.tasks
 where incarnation is not null
   and queue = any(%(queues)s::text[]);

-- name: still_held
-- Which of these tasks are dispatched or running.
select tasks.id
  from unnest(%(task_ids)b::uuid[]) with ordinality as asked (id, no),
       fcs.tasks
 where no between 1 and 1000000
   and tasks.id = asked.id
   and tasks.status in ('dispatched', 'running');

-- name: pause
-- Hand out no more tasks of a queue. Who pauses what is paused already gives another reason.
insert into fcs.queues as queues (name, paused_at, paused_by, paused_why, updated_at)
     values (%(queue)s, fcs.now(), %(by)s, %(why)s, fcs.now())
on conflict (name) do update
        set paused_at = coalesce(queues.paused_at, excluded.paused_at),
            paused_by = excluded.paused_by,
            paused_why = excluded.paused_why,
            updated_at = excluded.updated_at
  returning name, pg_notify('fcs_supervisor', 'queues');

-- name: resume
-- Hand out the tasks of a queue again.
   update fcs.queues
      set paused_at = null,
          paused_by = '',
          paused_why = '',
          updated_at = fcs.now()
    where name = %(queue)s
      and paused_at is not null
returning name, pg_notify('fcs_supervisor', 'queues');

-- name: set_limits
-- Change the limits that are named in a JSON object, to a number or to null for none. No row in mode
-- hash, in which nobody could keep one. Whoever changes the mode waits for the end of this, or this
-- for the end of that, and goes by the mode that came of it.
with wanted as (
    select *
      from jsonb_to_record(%(changes)s::jsonb) as wanted (
               running_max     integer,
               rate            float,
               burst           integer,
               key_running_max integer,
               key_rate        float,
               key_burst       integer
           )
),
kept as (
    select mode
      from fcs.cluster, wanted
     where mode <> 'hash'
        or num_nonnulls(running_max, rate, key_running_max, key_rate) = 0
       for share of cluster
)
insert into fcs.queues as queues (
                name, running_max, rate, burst, key_running_max, key_rate, key_burst, updated_at
            )
     select %(queue)s, running_max, rate, burst, key_running_max, key_rate, key_burst, fcs.now()
       from wanted, kept
on conflict (name) do update
        set running_max = case when %(changes)s::jsonb ? 'running_max' then excluded.running_max else queues.running_max end,
            rate = case when %(changes)s::jsonb ? 'rate' then excluded.rate else queues.rate end,
            burst = case when %(changes)s::jsonb ? 'burst' then excluded.burst else queues.burst end,
            key_running_max = case when %(changes)s::jsonb ? 'key_running_max' then excluded.key_running_max else queues.key_running_max end,
            key_rate = case when %(changes)s::jsonb ? 'key_rate' then excluded.key_rate else queues.key_rate end,
            key_burst = case when %(changes)s::jsonb ? 'key_burst' then excluded.key_burst else queues.key_burst end,
            updated_at = excluded.updated_at
  returning name, pg_notify('fcs_supervisor', 'queues');

-- name: names
-- Which queues there are: those with a row, those in which something waits (an index descent
-- for each), and those that workers name.
with recursive waiting as (
    (
          select queue
            from fcs.tasks
           where due_at is not null
        order by queue
           limit 1
    )
    union all
    select next.queue
      from waiting,
           lateral (
                 select queue
                   from fcs.tasks
                  where due_at is not null
                    and tasks.queue > waiting.queue
               order by queue
                  limit 1
           ) as next
),
every as (
    select name from fcs.queues
    union
    (select queue from waiting limit %(limit)s)
    union
    select unnest(queues) from fcs.workers where state in ('live', 'draining')
)
  select name
    from every
order by name
   limit %(limit)s;

-- name: look
-- Some queues, each with what waits in it and what workers hold of it, counted up to `count_max`.
with held as (
      select queue, count(*) as tasks
        from (
                 select queue
                   from fcs.tasks
                  where incarnation is not null
                  limit %(count_max)s
             ) as held
    group by queue
)
select named.name,
       coalesce(counted.due, 0),
       coalesce(counted.scheduled, 0),
       coalesce(held.tasks, 0),
       queues.paused_at,
       coalesce(queues.paused_by, ''),
       coalesce(queues.paused_why, ''),
       queues.running_max,
       queues.rate,
       queues.burst,
       queues.key_running_max,
       queues.key_rate,
       queues.key_burst,
       queues.updated_at
  from unnest(%(queues)s::text[]) with ordinality as named (name, no)
  left join fcs.queues on queues.name = named.name
  left join held on held.queue = named.name,
       lateral (
           select count(*) filter (where due_at <= fcs.now()) as due,
                  count(*) filter (where due_at > fcs.now()) as scheduled
             from (
                      select due_at
                        from fcs.tasks
                       where due_at is not null
                         and tasks.queue = named.name
                       limit %(count_max)s
                  ) as head
       ) as counted
order by named.no;

-- name: depth
-- How many tasks of a queue are due, counted up to `count_max`.
select count(*)
  from (
           select
             from fcs.tasks
            where due_at <= fcs.now()
              and queue = %(queue)s
            limit %(count_max)s
       ) as due;
