-- Of a table with one row nobody ever makes statistics, and the planner takes it for five hundred.
-- So many homes with so many tasks each seemed worth a walk along all tasks, from the oldest on,
-- whenever some of them were begun. A limit is what it believes.

create or replace view fcs.home as
    select id,
           on_hold_since is null
               and coalesce(server_started_at, pg_postmaster_start_time()) = pg_postmaster_start_time()
               and (
                   standbys in ('', current_setting('synchronous_standby_names'))
                   or standbys_seen_at < fcs.now() - interval '90 seconds'
               ) as is_open
      from fcs.identity
     limit 1;
