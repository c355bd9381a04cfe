-- The sleep of a supervisor: while it lasts, whoever has news rings (see `fcs.must_ring`).

-- name: fall_asleep
-- From the answer on, news that is not there to be seen yet will ring. Fails while somebody has
-- news under way, and while another supervisor sleeps.
select pg_try_advisory_lock(7162537461882901870);

-- name: is_rung
-- Whether whoever has news rings: somebody sleeps, or waits in line for it.
select fcs.must_ring();

-- name: fall_asleep_in_line
-- As `fall_asleep`, but wait for those who have news under way. Whoever has news while somebody waits
-- does not get to share the lock, and rings; so it is free as soon as the others have committed. The
-- wait has an end because somebody else may have been quicker.
select pg_advisory_lock(7162537461882901870)
 where set_config('lock_timeout', '500ms', true) <> '';

-- name: wake_up
-- Nobody need ring any more.
select pg_advisory_unlock(7162537461882901870);

-- name: still_asleep
-- Fails where the connection is gone, and the lock with it.
select 1;
