-- The tables of fcs. Everything lives in the schema `fcs`, which the migrator has made; nothing
-- else is touched.

-- The one clock of the cluster. Tests freeze it with `set fcs.now = '...'`.
create function fcs.now() returns timestamptz stable parallel safe language sql as $$
    select coalesce(
        nullif(current_setting('fcs.now', true), '')::timestamptz,
        statement_timestamp()
    )
$$;

-- What the promise stands on must be on disk before it is acknowledged, whatever a role or a
-- database has set. For this transaction only; a stricter setting stays.
create function fcs.durably() returns text volatile language sql as $$
    select set_config(
        'synchronous_commit',
        case current_setting('synchronous_commit') when 'remote_apply' then 'remote_apply' else 'on' end,
        true
    )
$$;

-- A lost dispatch only returns the task to pending, so its commit need not wait for the disk.
create function fcs.lazily() returns text volatile language sql as $$
    select set_config('synchronous_commit', 'off', true)
$$;

create type fcs.status as enum (
    'pending', 'dispatched', 'running', 'succeeded', 'failed', 'interrupted', 'cancelled'
);

create table fcs.tasks (
    id           uuid        primary key,
    worker_id    uuid,
    -- The process start that holds the task; null unless dispatched or running.
    incarnation  uuid,
    -- The token of the latest run.
    run_id       uuid,
    created_at   timestamptz not null default fcs.now(),
    updated_at   timestamptz not null default fcs.now(),
    scheduled_at timestamptz,
    -- When a pending task falls due; null in every other status, which takes the row out of the
    -- index below. Indexes must not name `status`: it changes three times in a task's life,
    -- and a change of a column that an index names cannot be a heap-only update.
    due_at       timestamptz default fcs.now(),
    started_at   timestamptz,
    status       fcs.status  not null default 'pending',
    dispatch_no  integer     not null default 0,
    attempt      integer     not null default 0,
    priority     smallint    not null default 0,
    queue        text        not null default 'default',
    ty           text        not null,
    args         jsonb       not null default '{}',
    error        text,

    constraint tasks_pending_is_due check ((status = 'pending') = (due_at is not null)),
    constraint tasks_held_by_one check ((status in ('dispatched', 'running')) = (incarnation is not null)),
    constraint tasks_never_early check (due_at >= scheduled_at),
    constraint tasks_times_sane check (
        least(created_at, updated_at, scheduled_at, due_at, started_at) >= '1970-01-01 00:00+00'
        and greatest(created_at, updated_at, scheduled_at, due_at, started_at) < '9000-01-01 00:00+00'
    ),
    constraint tasks_words_sane check (length(ty) between 1 and 200 and length(queue) between 1 and 100),
    constraint tasks_args_bounded check (pg_column_size(args) <= 4194304)
) with (
    -- Room on the page for the three updates of a task's life.
    fillfactor = 60,
    -- Final rows are dead weight for nobody, but each task leaves three dead versions behind.
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_insert_scale_factor = 0.2,
    autovacuum_analyze_scale_factor = 0.05
);

-- The backlog, one stretch of the index for each lane.
create index tasks_backlog on fcs.tasks (queue, ty, priority desc, due_at, id) where due_at is not null;

-- What each process holds, for the reaper and for a worker that looks after a lost hint.
create index tasks_held on fcs.tasks (incarnation) where incarnation is not null;

create function fcs.refuse_final_change() returns trigger language plpgsql as $$
begin
    raise exception 'task % is % and stays so', old.id, old.status
        using errcode = 'integrity_constraint_violation',
              hint = 'A final status never changes. Create a new task instead.';
end
$$;

create trigger tasks_final_stays before update on fcs.tasks for each row
    when (
        old.status in ('succeeded', 'failed', 'interrupted', 'cancelled')
        and new.status is distinct from old.status
    )
    execute function fcs.refuse_final_change();

-- What the worker of a lost run reported afterwards: evidence, beside the task.
create table fcs.late_reports (
    run_id      uuid        primary key,
    task_id     uuid        not null,
    status      fcs.status  not null,
    error       text,
    reported_at timestamptz not null default fcs.now()
);

create index late_reports_task on fcs.late_reports (task_id);

-- They go with their task, whoever deletes it. Not a foreign key: it would cost a little at each
-- change of a task.
create function fcs.forget_late_reports() returns trigger language plpgsql as $$
begin
    delete from fcs.late_reports using gone where late_reports.task_id = gone.id;
    return null;
end
$$;

create trigger tasks_take_reports_along after delete on fcs.tasks
    referencing old table as gone
    for each statement execute function fcs.forget_late_reports();

create type fcs.worker_state as enum ('live', 'draining', 'lost', 'gone');

create table fcs.workers (
    id          uuid             primary key,
    incarnation uuid             not null unique,
    state       fcs.worker_state not null default 'live',
    started_at  timestamptz      not null default fcs.now(),
    beat_at     timestamptz      not null default fcs.now(),
    beat_no     bigint           not null default 0,
    -- The worker's own account of itself; `report_no` tells a newer one from an older.
    report_no   bigint           not null default 0,
    slots_total integer          not null check (slots_total > 0),
    slots_busy  integer          not null default 0,
    -- tasks_sent - tasks_taken = rows in status dispatched that name this incarnation.
    tasks_sent  bigint           not null default 0,
    tasks_taken bigint           not null default 0,
    queues      text[]           not null,
    types       text[]           not null,
    host        text             not null default '',
    pid         integer          not null default 0,
    version     text             not null default '',
    listen      text
) with (
    -- A row is updated at each beat: leave room to do so in place, and clean up often.
    fillfactor = 30,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000
);
