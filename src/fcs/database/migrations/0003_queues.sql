-- What somebody has laid down for a queue. A queue without a row here is like any other: it is
-- there as soon as a task names it.

create table fcs.queues (
    name            text        primary key,
    paused_at       timestamptz,
    paused_by       text        not null default '',
    paused_why      text        not null default '',
    -- How many tasks may be dispatched or running at once.
    running_max     integer,
    -- How many may start in a second, and how many together after a while without any.
    rate            float,
    burst           integer,
    -- The same for the tasks of each limit key.
    key_running_max integer,
    key_rate        float,
    key_burst       integer,
    updated_at      timestamptz not null default fcs.now(),

    constraint queues_name_sane check (length(name) between 1 and 100),
    constraint queues_words_bounded check (length(paused_by) <= 200 and length(paused_why) <= 1000),
    constraint queues_limits_sane check (
        running_max > 0
        and key_running_max > 0
        and rate between 1e-6 and 1e6
        and key_rate between 1e-6 and 1e6
        and burst between 1 and 1000000
        and key_burst between 1 and 1000000
    )
);
