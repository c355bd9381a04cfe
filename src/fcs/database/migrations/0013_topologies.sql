-- Who hands out the tasks: the mode of the cluster, and who leads it.

create type fcs.mode as enum ('dedicated', 'elected', 'hash');

create type fcs.strategy as enum ('random', 'least_loaded', 'sticky');

-- What holds for the whole cluster: one row, read by everybody at each look.
create table fcs.cluster (
    is_one     boolean      primary key default true check (is_one),
    mode       fcs.mode     not null default 'elected',
    strategy   fcs.strategy not null default 'random',
    changed_at timestamptz  not null default fcs.now()
);

insert into fcs.cluster default values;

-- The lease of who leads: one row. A term that was given up has no node.
create table fcs.leadership (
    is_one     boolean     primary key default true check (is_one),
    term       bigint      not null default 0,
    node       uuid,
    part       text        not null default '',
    host       text        not null default '',
    pid        integer     not null default 0,
    since      timestamptz not null default fcs.now(),
    expires_at timestamptz not null default fcs.now(),
    -- The server process by which it was last renewed; null behind a pooler. When that is gone its
    -- holder is, most likely.
    backend    integer
) with (
    -- A row that is renewed every second stays on its page.
    fillfactor = 10,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000
);

insert into fcs.leadership default values;

-- What a process goes by, as of its last beat; null before its first.
alter table fcs.workers add column follows fcs.mode;

-- Hash mode: the part of 4,096 into which a task falls (`fcs.domain.ring.slot_of`).
create function fcs.slot(id uuid) returns integer immutable parallel safe language sql as $$
    select (get_byte(uuid_send(id), 14) & 15) * 256 + get_byte(uuid_send(id), 15)
$$;
