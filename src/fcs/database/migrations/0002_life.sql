-- The whole life of a task: attempts, timeouts, cancelling, results, progress.

alter table fcs.tasks
    -- How many bodies may start; a snooze adds one.
    add column max_attempts        smallint    not null default 1,
    -- Whether a run whose worker died may be followed by another one.
    add column retry_interrupted   boolean     not null default false,
    -- Seconds that a run may take.
    add column timeout             real,
    -- What the task shares a limit with; part of its lane.
    add column limit_key           text        not null default '',
    add column result              jsonb,
    add column progress            jsonb,
    -- That somebody wants a running task to end, and what it took in the end.
    add column cancel_requested_at timestamptz,
    add column cancel_reason       text,
    add column cancel_level        text,

    -- A task that waits or is on its way has an attempt left, so that it can begin.
    add constraint tasks_attempts_bounded check (
        attempt + (status in ('pending', 'dispatched'))::int <= max_attempts
    ),
    add constraint tasks_options_sane check (
        max_attempts between 1 and 10000
        and timeout > 0
        and length(limit_key) <= 200
    ),
    add constraint tasks_cancel_level check (
        cancel_level in ('before_start', 'flag', 'cancel', 'kill')
    );

drop index fcs.tasks_backlog;

create index tasks_backlog on fcs.tasks (queue, ty, priority desc, limit_key, due_at, id)
 where due_at is not null;

-- Runs that have ended, as evidence: who ran, from when to when, and what went wrong. A run that
-- simply succeeded and had nothing to say leaves no row here; its task tells all there is.
create table fcs.attempts (
    task_id    uuid        not null,
    attempt    integer     not null,
    run_id     uuid        not null,
    worker_id  uuid,
    outcome    text        not null,
    started_at timestamptz not null,
    ended_at   timestamptz not null default fcs.now(),
    error_type text,
    error      text,
    trace      text,
    logs       text,

    primary key (task_id, attempt),
    constraint attempts_outcome check (
        outcome in ('succeeded', 'failed', 'interrupted', 'cancelled', 'snoozed')
    )
);

-- What hangs on a task goes with it, whoever deletes it.
create function fcs.forget_evidence() returns trigger language plpgsql as $$
begin
    delete from fcs.late_reports using gone where late_reports.task_id = gone.id;
    delete from fcs.attempts using gone where attempts.task_id = gone.id;
    return null;
end
$$;

drop trigger tasks_take_reports_along on fcs.tasks;
drop function fcs.forget_late_reports();

create trigger tasks_take_evidence_along after delete on fcs.tasks
    referencing old table as gone
    for each statement execute function fcs.forget_evidence();
