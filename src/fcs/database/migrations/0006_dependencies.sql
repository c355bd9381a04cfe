-- Dependencies: tasks that wait until others have ended.

alter table fcs.tasks
    -- How many of the tasks that it needs have yet to end; null where it needs none.
    add column open_needs     integer,
    -- Whether it runs also when one of them ends without success.
    add column needs_may_fail boolean not null default false,
    -- Whether some task waits for the end of this one.
    add column is_needed      boolean not null default false,

    drop constraint tasks_pending_is_due,
    add constraint tasks_pending_is_due check (
        (status = 'pending' and coalesce(open_needs, 0) = 0) = (due_at is not null)
    ),
    add constraint tasks_needs_sane check (
        open_needs >= 0
        and (coalesce(open_needs, 0) = 0 or status in ('pending', 'cancelled'))
    );

-- Which task needs which. A task needs only what was there before it, so nothing goes round in
-- a circle.
create table fcs.dependencies (
    task_id  uuid    not null,
    needs_id uuid    not null,
    -- Whether the end of the needed task is still to be counted.
    is_open  boolean not null,

    primary key (task_id, needs_id),
    constraint dependencies_lead_away check (task_id <> needs_id)
) with (
    autovacuum_vacuum_scale_factor = 0.05
);

create index dependencies_open on fcs.dependencies (needs_id, task_id) where is_open;

-- Needed tasks that somebody has to look at: those that have ended, and those that are newly
-- needed. A row goes when it has been seen to.
create table fcs.unsettled (
    no      bigint generated always as identity primary key,
    task_id uuid   not null
) with (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000
);

create function fcs.note_unsettled() returns trigger language plpgsql as $$
begin
    insert into fcs.unsettled (task_id) values (old.id);
    perform pg_notify('fcs_supervisor', 'settle');
    return null;
end
$$;

-- Whoever ends it, and however. The condition is all that a task pays which nobody needs.
create trigger tasks_tell_their_end after update on fcs.tasks for each row
    when (
        new.is_needed
        and new.status in ('succeeded', 'failed', 'interrupted', 'cancelled')
        and old.status is distinct from new.status
    )
    execute function fcs.note_unsettled();

-- Only a deletion by hand, or one that crossed the creation of a dependant, finds any.
create function fcs.note_gone() returns trigger language plpgsql as $$
begin
    if exists (select from fcs.dependencies where needs_id = old.id and is_open) then
        insert into fcs.unsettled (task_id) values (old.id);
        perform pg_notify('fcs_supervisor', 'settle');
    end if;
    return null;
end
$$;

create trigger tasks_tell_that_they_are_gone after delete on fcs.tasks for each row
    when (old.is_needed)
    execute function fcs.note_gone();

create function fcs.forget_needs() returns trigger language plpgsql as $$
begin
    delete from fcs.dependencies where task_id = old.id;
    return null;
end
$$;

create trigger tasks_take_their_needs_along after delete on fcs.tasks for each row
    when (old.open_needs is not null)
    execute function fcs.forget_needs();
