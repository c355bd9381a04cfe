-- Idempotency keys: a request that is sent again under its key gets its first answer.

alter table fcs.tasks
    -- The key of the request that created the task.
    add column key text;

-- Held for as long as a task of its request is there, and for a while after.
create table fcs.keys (
    key         text        primary key,
    -- What was asked for, as a hash.
    fingerprint text        not null,
    -- What was answered.
    task_ids    uuid[]      not null,
    created_at  timestamptz not null default fcs.now(),
    -- When a task of the request was last deleted.
    freed_at    timestamptz,

    constraint keys_words_sane check (length(key) between 1 and 255)
);

create index keys_freed on fcs.keys (freed_at) where freed_at is not null;

create function fcs.free_key() returns trigger language plpgsql as $$
begin
    update fcs.keys set freed_at = fcs.now() where key = old.key;
    return null;
end
$$;

create trigger tasks_free_their_key after delete on fcs.tasks for each row
    when (old.key is not null)
    execute function fcs.free_key();
