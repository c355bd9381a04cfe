-- How the cluster is led: one row for all of it.

-- name: show
-- The mode, the term and who holds it, and how many candidates are connected: their sessions go by
-- the names that are given here.
select fcs.now(),
       mode::text,
       strategy::text,
       changed_at,
       term,
       extract(epoch from expires_at - fcs.now())::float as expires_in,
       connected.supervisors,
       connected.electable_workers,
       node,
       part,
       host,
       leadership.pid,
       since
  from fcs.cluster,
       fcs.leadership,
       (
           select count(*) filter (where application_name = %(supervisor)s)::int as supervisors,
                  count(*) filter (where application_name = %(electable_worker)s)::int as electable_workers
             from pg_stat_activity
            where datname = current_database()
       ) as connected;

-- name: hold
-- How the cluster is led; nobody changes that, nor sets a limit, for the rest of the transaction.
select mode::text, strategy::text
  from fcs.cluster
   for update;

-- name: change
-- Let the cluster be led otherwise, and tell everybody, so that all look at once. No row where
-- nobody would keep the limits that queues have. They are read after the row was locked, which is
-- why the caller holds it already: whoever was about to set one has done so by now, and is seen.
   update fcs.cluster
      set mode = wanted.mode,
          strategy = coalesce(%(strategy)s::fcs.strategy, strategy),
          changed_at = case when cluster.mode = wanted.mode then changed_at else fcs.now() end
     from (select coalesce(%(mode)s::fcs.mode, mode) as mode from fcs.cluster) as wanted
    where wanted.mode <> 'hash'
       or not exists (
              select
                from fcs.queues
               where num_nonnulls(running_max, rate, key_running_max, key_rate) > 0
          )
returning cluster.mode::text,
          strategy::text,
          pg_notify('fcs_candidates', 'mode'),
          pg_notify('fcs_supervisor', 'workers');
