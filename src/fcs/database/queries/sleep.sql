-- The sleep of a supervisor: while it lasts, whoever has news rings (see `fcs.must_ring`).

-- name: fall_asleep
-- From the answer on, news that is not there to be seen yet will ring. Fails while somebody has
-- news under way, and while another supervisor sleeps.
select pg_try_advisory_lock(7162537461882901870);

-- name: wake_up
-- Nobody need ring any more.
select pg_advisory_unlock(7162537461882901870);

-- name: still_asleep
-- Fails where the connection is gone, and the lock with it.
select 1;
