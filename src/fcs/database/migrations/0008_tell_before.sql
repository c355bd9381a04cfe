-- The end of a needed task is noted before the row is written and not after: the old row is at
-- hand then, and a task that nobody needs pays for the condition alone.

create function fcs.note_unsettled_end() returns trigger language plpgsql as $$
begin
    insert into fcs.unsettled (task_id) values (old.id);
    perform pg_notify('fcs_supervisor', 'settle');
    return new;
end
$$;

drop trigger tasks_tell_their_end on fcs.tasks;

create trigger tasks_tell_their_end before update on fcs.tasks for each row
    when (
        new.is_needed
        and new.status in ('succeeded', 'failed', 'interrupted', 'cancelled')
        and old.status is distinct from new.status
    )
    execute function fcs.note_unsettled_end();

drop function fcs.note_unsettled();
