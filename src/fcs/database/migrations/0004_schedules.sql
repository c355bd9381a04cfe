-- Schedules: rules that create tasks again and again.

create table fcs.schedules (
    name         text        primary key,
    cron         text        not null,
    tz           text        not null,
    -- What its tasks are made of.
    ty           text        not null,
    args         jsonb       not null default '{}',
    options      jsonb       not null default '{}',
    catch_up     text        not null default 'skip',
    source       text        not null,
    -- Which declaration it follows; null unless it is declared in code.
    digest       text,
    -- The first moment for which no task was created yet; null exactly while it is paused.
    next_fire_at timestamptz,
    last_fire_at timestamptz,
    paused_at    timestamptz,
    paused_by    text,
    paused_why   text,
    created_at   timestamptz not null default fcs.now(),
    updated_at   timestamptz not null default fcs.now(),

    constraint schedules_paused_or_due check ((paused_at is null) = (next_fire_at is not null)),
    constraint schedules_declared_in_code check ((source = 'code') = (digest is not null)),
    constraint schedules_source check (source in ('code', 'api')),
    constraint schedules_catch_up check (catch_up in ('skip', 'once', 'all')),
    -- What a task could not be, its schedule cannot be either.
    constraint schedules_task_sane check (
        length(ty) between 1 and 200
        and jsonb_typeof(args) = 'object'
        and jsonb_typeof(options) = 'object'
        and pg_column_size(args) <= 4194304
    ),
    constraint schedules_words_bounded check (
        length(name) between 1 and 200
        and length(cron) <= 200
        and length(tz) <= 200
        and length(paused_by) <= 200
        and length(paused_why) <= 1000
    ),
    constraint schedules_times_sane check (
        least(next_fire_at, last_fire_at) >= '1970-01-01 00:00+00'
        and greatest(next_fire_at, last_fire_at) < '9000-01-01 00:00+00'
    )
);

create index schedules_next on fcs.schedules (next_fire_at) where next_fire_at is not null;

-- For which moments a schedule has created a task, and which: at most one for each moment, however
-- many supervisors there are.
create table fcs.fires (
    schedule text        not null,
    fire_at  timestamptz not null,
    task_id  uuid        not null,

    primary key (schedule, fire_at)
);

create index fires_age on fcs.fires (fire_at);

-- What workers declare in their code, one row for each thing that was said of a schedule.
create table fcs.declarations (
    schedule     text        not null,
    digest       text        not null,
    definition   jsonb       not null,
    -- When it was new. The newest wins as long as a live worker declares it.
    declared_at  timestamptz not null default fcs.now(),
    -- When a live worker was last known to declare it.
    seen_at      timestamptz not null default fcs.now(),
    -- The processes that declare it.
    incarnations uuid[]      not null,

    primary key (schedule, digest)
);
