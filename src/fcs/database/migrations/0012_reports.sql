-- Whoever notifies wakes all who listen, and every worker listens. So where there are many, a busy
-- supervisor puts up a row for each of them, and they write their reports into it instead.
--
-- Not logged: after a crash the rows are gone, and workers ring until they are put up again.
create unlogged table fcs.reports (
    incarnation uuid primary key,
    report      text not null default ''
) with (
    -- A row is written to many times a second, and should stay on its page.
    fillfactor = 10,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000
);

-- Report to a supervisor that is awake: in writing where it asked for that.
create function fcs.tell(report text) returns void volatile language plpgsql as $$
begin
    update fcs.reports set report = tell.report where incarnation = nullif(split_part(tell.report, ' ', 2), '')::uuid;
    if not found then
        perform pg_notify('fcs_supervisor', tell.report);
    end if;
end
$$;
