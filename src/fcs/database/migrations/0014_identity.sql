-- Which database this is, so that a copy of it is noticed: a standby that was promoted, a restored
-- backup. One row, which is empty until somebody hands out or begins the first task.

create table fcs.identity (
    is_one            boolean     primary key default true check (is_one),
    -- Made by chance, and anew when a copy is adopted.
    id                uuid        not null default gen_random_uuid(),
    system            bigint,
    database          bigint,
    timeline          integer,
    -- The start of the server that was last seen to be it: another start is to be looked at.
    server_started_at timestamptz,
    -- Since when it is in another place than at first; nobody can have sent a beat there before.
    since             timestamptz,
    -- The standbys for which each commit waits, and when that was last seen.
    standbys          text        not null default '',
    standbys_seen_at  timestamptz not null default fcs.now(),
    -- Somebody found a copy, and nobody has adopted it so far.
    on_hold_since     timestamptz,
    on_hold_why       text        not null default ''
);

insert into fcs.identity default values;

-- Whether tasks may be handed out and begun here. It asks nothing of the disk: what takes longer to
-- find out is looked at when a server has started. 90 seconds are `fcs.domain.identity.BINDS_FOR`.
create view fcs.home as
    select id,
           on_hold_since is null
               and coalesce(server_started_at, pg_postmaster_start_time()) = pg_postmaster_start_time()
               and (
                   standbys in ('', current_setting('synchronous_standby_names'))
                   or standbys_seen_at < fcs.now() - interval '90 seconds'
               ) as is_open
      from fcs.identity;

-- When a worker has told a database that may have forgotten something what it had begun.
alter table fcs.workers add column testified_at timestamptz;
