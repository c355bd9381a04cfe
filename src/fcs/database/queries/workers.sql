-- Workers: registration, heartbeats, leases, and the end of a lost one.

-- name: lock_registration
-- The row of a worker id, held for the rest of the transaction, and the age of its lease. A
-- beat could not be written while Postgres was down, so the lease counts from its start at the
-- earliest.
select incarnation,
       state::text,
       beat_no,
       extract(epoch from fcs.now() - greatest(beat_at, pg_postmaster_start_time()))::float as silent
  from fcs.workers
 where id = %(id)s
   for update;

-- name: register
-- Write down a new process under its worker id. The caller has dealt with the old one.
insert into fcs.workers as workers (
                id, incarnation, slots_total, queues, types, host, pid, version, listen,
                started_at, beat_at
            )
     values (
                %(id)s, %(incarnation)s, %(slots_total)s, %(queues)s, %(types)s, %(host)s, %(pid)s,
                %(version)s, %(listen)s, fcs.now(), fcs.now()
            )
on conflict (id) do update
        set incarnation = excluded.incarnation,
            state = 'live',
            started_at = excluded.started_at,
            beat_at = excluded.beat_at,
            beat_no = 0,
            report_no = 0,
            slots_total = excluded.slots_total,
            slots_busy = 0,
            tasks_sent = 0,
            tasks_taken = 0,
            queues = excluded.queues,
            types = excluded.types,
            host = excluded.host,
            pid = excluded.pid,
            version = excluded.version,
            listen = excluded.listen
      where workers.incarnation = %(replaces)s
  returning incarnation, pg_notify('fcs_supervisor', 'workers');

-- name: beat
-- Renew the lease and say how things are; learn how many tasks were sent here so far. No row:
-- this process was declared lost or replaced.
   update fcs.workers
      set beat_at = fcs.now(),
          beat_no = beat_no + 1,
          report_no = %(report_no)s,
          slots_busy = %(slots_busy)s,
          tasks_taken = %(tasks_taken)s
    where incarnation = %(incarnation)s
      and state in ('live', 'draining')
returning tasks_sent;

-- name: drain
-- Ask for no more tasks.
   update fcs.workers
      set state = 'draining'
    where incarnation = %(incarnation)s
      and state = 'live'
returning id, pg_notify('fcs_supervisor', 'workers');

-- name: lock_worker
-- Hold a worker's row, if it still is as it was observed: the first step of every end.
select incarnation
  from fcs.workers
 where incarnation = %(incarnation)s
   and state in ('live', 'draining')
   and (%(beat_no)s::bigint is null or beat_no = %(beat_no)s)
   for update skip locked;

-- name: end_worker
-- Close an incarnation for good: `lost` when it was reaped, `gone` when it left by itself.
   update fcs.workers
      set state = %(state)s::fcs.worker_state,
          slots_busy = 0,
          tasks_sent = tasks_taken
    where incarnation = %(incarnation)s
returning id, pg_notify('fcs_supervisor', 'workers');

-- name: survey
-- All workers that are there.
  select incarnation,
         id,
         state::text,
         beat_no,
         extract(epoch from fcs.now() - beat_at)::float as silent,
         report_no,
         slots_total,
         slots_busy,
         tasks_sent,
         tasks_taken,
         queues,
         types
    from fcs.workers
   where state in ('live', 'draining');

-- name: clocks
-- The database's clock, and for how many seconds this Postgres has been up.
select fcs.now(),
       extract(epoch from clock_timestamp() - pg_postmaster_start_time())::float as uptime;

-- name: settle_accounts
-- Count anew what was sent to workers whose account has not moved for long. Nothing in the
-- protocol makes it differ; a row changed by hand would, and would hide a slot for ever.
-- The count is as old as the statement, so an account that moved since then is left alone, and
-- so is a worker that has begun something of which its last beat could not tell.
with account as (
    select incarnation, tasks_sent, tasks_taken
      from fcs.workers
     where incarnation = any(%(incarnations)b::uuid[])
       and state in ('live', 'draining')
)
   update fcs.workers
      set tasks_sent = workers.tasks_taken + (
              select count(*)
                from fcs.tasks
               where tasks.incarnation = workers.incarnation
                 and tasks.status = 'dispatched'
          )
     from account
    where workers.incarnation = account.incarnation
      and workers.tasks_sent = account.tasks_sent
      and workers.tasks_taken = account.tasks_taken
      and not exists (
              select
                from fcs.tasks
               where tasks.incarnation = workers.incarnation
                 and tasks.status = 'running'
                 and tasks.started_at >= workers.beat_at
          )
returning workers.incarnation;

-- name: forget_ended
-- Remove the rows of workers that ended long ago; they were kept for people to see.
   delete from fcs.workers
    where state in ('lost', 'gone')
      and beat_at < fcs.now() - make_interval(secs => %(seconds)s)
returning id;
