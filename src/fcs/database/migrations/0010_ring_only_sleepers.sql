-- A notification makes commits wait for each other, so only a supervisor that sleeps is rung.
--
-- A sleeping supervisor holds an advisory lock. Whoever has news for it tries to share that lock
-- until the commit: if that fails somebody sleeps, and is rung. If it succeeds nobody does, and
-- nobody can fall asleep before the news is there to be seen. It is for statements that commit by
-- themselves: in a longer transaction the lock would keep the supervisor awake.

create function fcs.must_ring() returns boolean volatile language sql as $$
    select not pg_try_advisory_xact_lock_shared(7162537461882901870)
$$;
