-- What each change of a task pays for its constraints and triggers.
--
-- Postgres reads the text of every constraint of a table anew in each statement that writes to it,
-- however few rows that touches, and checks all of them on each row. What concerns one value is
-- therefore checked by a domain: once, when the value is written, by an expression that a session
-- keeps. Constraints remain where values must fit together, and are as short as they can be.

create domain fcs.moment as timestamptz;
create domain fcs.type_name as text;
create domain fcs.queue_name as text;
create domain fcs.limit_key as text;
create domain fcs.args as jsonb;
create domain fcs.attempt_limit as smallint;
create domain fcs.time_limit as real;
create domain fcs.needs_count as integer;
create domain fcs.cancel_level as text;

-- Laid down again below: a column that a trigger looks at keeps its type.
drop trigger tasks_take_their_needs_along on fcs.tasks;

alter table fcs.tasks
    drop constraint tasks_times_sane,
    drop constraint tasks_words_sane,
    drop constraint tasks_args_bounded,
    drop constraint tasks_options_sane,
    drop constraint tasks_cancel_level,
    drop constraint tasks_pending_is_due,
    drop constraint tasks_held_by_one,
    drop constraint tasks_attempts_bounded,
    drop constraint tasks_needs_sane,
    -- A domain that demands nothing yet costs no rewriting of the table.
    alter created_at   type fcs.moment,
    alter updated_at   type fcs.moment,
    alter scheduled_at type fcs.moment,
    alter due_at       type fcs.moment,
    alter started_at   type fcs.moment,
    alter ty           type fcs.type_name,
    alter queue        type fcs.queue_name,
    alter limit_key    type fcs.limit_key,
    alter args         type fcs.args,
    alter max_attempts type fcs.attempt_limit,
    alter timeout      type fcs.time_limit,
    alter open_needs   type fcs.needs_count,
    alter cancel_level type fcs.cancel_level;

create trigger tasks_take_their_needs_along after delete on fcs.tasks for each row
    when (old.open_needs is not null)
    execute function fcs.forget_needs();

-- What is in the table has passed the same conditions, so nothing is read again.
alter domain fcs.moment add constraint tasks_times_sane check (
    value >= '1970-01-01 00:00+00' and value < '9000-01-01 00:00+00'
) not valid;
alter domain fcs.type_name add constraint tasks_words_sane check (length(value) between 1 and 200) not valid;
alter domain fcs.queue_name add constraint tasks_words_sane check (length(value) between 1 and 100) not valid;
alter domain fcs.limit_key add constraint tasks_options_sane check (length(value) <= 200) not valid;
alter domain fcs.args add constraint tasks_args_bounded check (pg_column_size(value) <= 4194304) not valid;
alter domain fcs.attempt_limit add constraint tasks_options_sane check (value between 1 and 10000) not valid;
alter domain fcs.time_limit add constraint tasks_options_sane check (value > 0) not valid;
alter domain fcs.needs_count add constraint tasks_needs_sane check (value >= 0) not valid;
alter domain fcs.cancel_level add constraint tasks_cancel_level check (
    value in ('before_start', 'flag', 'cancel', 'kill')
) not valid;

alter table fcs.tasks
    add constraint tasks_pending_is_due check (
        case
            when open_needs > 0 then due_at is null and status = any('{pending, cancelled}')
            else (due_at is not null) = (status = 'pending')
        end
    ) not valid,
    add constraint tasks_held_by_one check (
        (incarnation is not null) = (status = any('{dispatched, running}'))
    ) not valid,
    -- A task that waits or is on its way has an attempt left, so that it can begin.
    add constraint tasks_attempts_bounded check (
        attempt <= max_attempts - (status < 'running')::int
    ) not valid;

-- A change of type forgets the statistics of a column.
do $$
begin
    if exists (select from fcs.tasks) then
        analyze fcs.tasks;
    end if;
end
$$;

-- A task ends once, and whoever is needed says so. After the row is written and not before: a
-- trigger before an update locks each row, and writes that lock to the log.
create function fcs.mind_end() returns trigger language plpgsql as $$
begin
    if new.status = old.status then
        return null;
    end if;
    if old.status >= 'succeeded' then
        raise exception 'task % is % and stays so', old.id, old.status
            using errcode = 'integrity_constraint_violation',
                  hint = 'A final status never changes. Create a new task instead.';
    end if;
    if new.is_needed and new.status >= 'succeeded' then
        insert into fcs.unsettled (task_id) values (old.id);
        perform pg_notify('fcs_supervisor', 'settle');
    end if;
    return null;
end
$$;

drop trigger tasks_final_stays on fcs.tasks;
drop trigger tasks_tell_their_end on fcs.tasks;
drop function fcs.refuse_final_change();
drop function fcs.note_unsettled_end();

-- The condition is all that a task pays which nobody needs.
create trigger tasks_end_once after update on fcs.tasks for each row
    when (old.status >= 'succeeded' or new.is_needed)
    execute function fcs.mind_end();
