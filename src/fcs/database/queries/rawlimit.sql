-- The least that any task queue on Postgres must do for a task, as a yardstick for `fcs bench`:
-- one row with the facts that people ask for, one index on what is pending, and three updates
-- by key in large batches, over one connection. No fences, no hints, no accounts.

-- name: create_table
-- With what fcs makes use of: room for the next version beside each row, and no index that names
-- the status, so that begin and finish touch the row alone.
create schema fcs_bench
    create table tasks (
        id         uuid        primary key,
        worker_id  uuid,
        run_id     uuid,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        due_at     timestamptz default now(),
        started_at timestamptz,
        status     smallint    not null default 0,
        queue      text        not null default 'default',
        ty         text        not null default 'noop',
        args       jsonb       not null default '{}'
    ) with (fillfactor = 60)
    create index pending on tasks (due_at, id) where due_at is not null;

-- name: create_plain_table
-- The same as anybody would write it: rows packed tightly, and an index on what is pending that
-- names the status, so that every move has to touch the index.
create schema fcs_bench
    create table tasks (
        id         uuid        primary key,
        worker_id  uuid,
        run_id     uuid,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        due_at     timestamptz default now(),
        started_at timestamptz,
        status     smallint    not null default 0,
        queue      text        not null default 'default',
        ty         text        not null default 'noop',
        args       jsonb       not null default '{}'
    )
    create index pending on tasks (due_at, id) where status = 0;

-- name: create_like_table
-- The same kind of table as that of tasks: its columns, defaults, checks and indexes.
create schema fcs_bench
    create table tasks (like fcs.tasks including all);

-- name: copy_like_in
copy fcs_bench.tasks (id, ty, args) from stdin;

-- name: copy_in
copy fcs_bench.tasks (id, args) from stdin;

-- name: dispatch
update fcs_bench.tasks
   set status = 1, worker_id = %(worker_id)b, due_at = null, updated_at = now()
 where id = any(%(ids)b) and status = 0;

-- name: begin
update fcs_bench.tasks
   set status = 2, run_id = %(run_id)b, started_at = now(), updated_at = now()
 where id = any(%(ids)b) and status = 1 and worker_id = %(worker_id)b;

-- name: finish
update fcs_bench.tasks
   set status = 3, updated_at = now()
 where id = any(%(ids)b) and status = 2 and run_id = %(run_id)b;

-- name: insert_one
insert into fcs_bench.tasks (id, args) values (%(id)b, '{}');

-- name: drop_table
drop schema if exists fcs_bench cascade;
