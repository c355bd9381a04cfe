-- The least that any task queue on Postgres must do for a task, as a yardstick for `fcs bench`:
-- one narrow table, one index on what is pending, three updates by key in large batches.

-- name: create_table
create schema fcs_bench
    create table tasks (
        id        uuid primary key,
        worker_id uuid,
        run_id    uuid,
        due_at    timestamptz default now(),
        status    smallint not null default 0,
        args      jsonb not null default '{}'
    ) with (fillfactor = 60)
    create index pending on tasks (due_at, id) where due_at is not null;

-- name: copy_in
copy fcs_bench.tasks (id, args) from stdin;

-- name: dispatch
update fcs_bench.tasks
   set status = 1, worker_id = %(worker_id)b, due_at = null
 where id = any(%(ids)b) and status = 0;

-- name: begin
update fcs_bench.tasks
   set status = 2, run_id = %(run_id)b
 where id = any(%(ids)b) and status = 1 and worker_id = %(worker_id)b;

-- name: finish
update fcs_bench.tasks
   set status = 3
 where id = any(%(ids)b) and status = 2 and run_id = %(run_id)b;

-- name: insert_one
insert into fcs_bench.tasks (id, args) values (%(id)b, '{}');

-- name: drop_table
drop schema if exists fcs_bench cascade;
