-- Workers: registration, heartbeats, leases, and the end of a lost one.

-- name: lock_registration
-- The row of a worker id, held for the rest of the transaction, and the age of its lease. A
-- beat could not be written while Postgres was down, nor to a server that was no primary yet, so the
-- lease counts from then at the earliest.
select incarnation,
       state::text,
       beat_no,
       extract(epoch from fcs.now() - greatest(beat_at, pg_postmaster_start_time(), since))::float as silent
  from fcs.workers, fcs.identity
 where workers.id = %(id)s
   for update of workers;

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
            testified_at = null,
            follows = null,
            queues = excluded.queues,
            types = excluded.types,
            host = excluded.host,
            pid = excluded.pid,
            version = excluded.version,
            listen = excluded.listen
      where workers.incarnation = %(replaces)s
  returning incarnation, pg_notify('fcs_supervisor', 'workers');

-- name: beat
-- Renew the lease and say how things are; learn how many tasks were sent here so far, how the
-- cluster is to be led, and which it is: none while nothing begins here. No row: this process was
-- declared lost or replaced.
   update fcs.workers
      set beat_at = fcs.now(),
          beat_no = beat_no + 1,
          report_no = %(report_no)s,
          slots_busy = %(slots_busy)s,
          tasks_taken = %(tasks_taken)s,
          follows = %(follows)s::fcs.mode
    where incarnation = %(incarnation)s
      and state in ('live', 'draining')
returning tasks_sent, (select mode::text from fcs.cluster), (select id from fcs.home where is_open);

-- name: has_testified
-- The worker has told what it had begun, should this database have forgotten it.
update fcs.workers
   set testified_at = fcs.now()
 where incarnation = %(incarnation)s;

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
-- The database's clock, for how many seconds this Postgres has been up and the one that fcs knows,
-- whether tasks are handed out on it, how the cluster is to be led, and all workers that are there:
-- one row without a worker if there is none. Whoever leads renews its lease in the same breath, so a
-- leader that does not look does not stay one.
with lazy as (select fcs.lazily()),
renewed as (
       update fcs.leadership
          set expires_at = fcs.now() + make_interval(secs => %(lease)s),
              backend = %(backend)s
         from lazy
        where term = %(term)s
          and node = %(node)s
    returning term
)
  select fcs.now(),
         extract(epoch from clock_timestamp() - greatest(pg_postmaster_start_time(), since))::float as uptime,
         (select is_open from fcs.home),
         cluster.mode::text,
         cluster.strategy::text,
         exists (select from renewed) as is_renewed,
         incarnation,
         workers.id,
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
    from fcs.cluster
    join fcs.identity on true
    left join fcs.workers on state in ('live', 'draining');

-- name: beats
-- The beats of all workers that are there, for who stands by: for how many seconds this Postgres has
-- been up and the one that fcs knows, and until when the leader has renewed its lease. One row
-- without a worker if there is none.
  select extract(epoch from clock_timestamp() - greatest(pg_postmaster_start_time(), identity.since))::float as uptime,
         leadership.expires_at,
         incarnation,
         beat_no,
         extract(epoch from fcs.now() - beat_at)::float as silent
    from fcs.leadership
    join fcs.identity on true
    left join fcs.workers on state in ('live', 'draining');

-- name: settle_account
-- Set right what was sent to a worker: what it has taken, and what lies ready for it. Only the
-- worker itself knows what it has taken, and how many bodies run by that account: one without the
-- other would invent a free slot. The count is as old as the statement, so an account
-- that has moved since it was last read is left alone.
   update fcs.workers
      set tasks_sent = %(tasks_taken)s + (
              select count(*)
                from fcs.tasks
               where tasks.incarnation = workers.incarnation
                 and tasks.status = 'dispatched'
          ),
          report_no = %(report_no)s,
          slots_busy = %(slots_busy)s,
          tasks_taken = %(tasks_taken)s
    where incarnation = %(incarnation)s
      and state in ('live', 'draining')
      and tasks_sent = %(tasks_sent)s
returning incarnation;

-- name: strangers
-- Who holds tasks and is no worker that is there: an index descent for each holder. Nothing in
-- the protocol leads to that; a worker's row removed by hand does, and no reaper would ever come.
with recursive holder as (
    (
          select incarnation
            from fcs.tasks
           where incarnation is not null
        order by incarnation
           limit 1
    )
    union all
    select next.incarnation
      from holder,
           lateral (
                 select incarnation
                   from fcs.tasks
                  where tasks.incarnation > holder.incarnation
               order by incarnation
                  limit 1
           ) as next
)
  select incarnation
    from holder
   where not exists (
             select
               from fcs.workers
              where workers.incarnation = holder.incarnation
                and workers.state in ('live', 'draining')
         )
order by incarnation;

-- name: forget_ended
-- Remove the rows of workers that ended long ago; they were kept for people to see.
   delete from fcs.workers
    where state in ('lost', 'gone')
      and beat_at < fcs.now() - make_interval(secs => %(seconds)s)
returning id;
