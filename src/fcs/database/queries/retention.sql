-- Pruning: final tasks past their time go in bounded steps, and the space they leave goes back.

-- name: try_turn
-- Of all who would prune, one does; the lock goes with the connection at the latest. In a session
-- that others use as well it would not: there it goes at once.
select case
           when %(is_shared)s then pg_try_advisory_xact_lock(%(key)s)
           else pg_try_advisory_lock(%(key)s)
       end;

-- name: step_end
-- How far a step of so many rows reaches. No row: to the end of the stretch.
  select id
    from fcs.tasks
   where id > %(after)s
     and id <= %(upto)s
order by id
  offset %(rows)s - 1
   limit 1;

-- name: prune
-- Delete the ripe tasks of a stretch of ids; what hangs on them goes along. A status without a
-- moment is kept, and so is every one that is not named here, and what others still wait for.
-- Nothing is lost if a crash undoes it: the next round deletes them again.
with lazy as (select fcs.lazily()),
pruned as (
    delete from fcs.tasks
          using lazy
          where tasks.id > %(after)s
            and tasks.id <= %(upto)s
            and tasks.updated_at < case tasks.status
                                       when 'succeeded' then %(succeeded)s::timestamptz
                                       when 'failed' then %(failed)s::timestamptz
                                       when 'interrupted' then %(interrupted)s::timestamptz
                                       when 'cancelled' then %(cancelled)s::timestamptz
                                   end
            and not exists (select from fcs.dependencies where needs_id = tasks.id and is_open)
      returning tasks.status
)
  select status::text, count(*)
    from pruned
group by status;

-- name: count_ripe
-- How many tasks `prune` would delete.
  select status::text, count(*)
    from fcs.tasks
   where id > %(after)s
     and id <= %(upto)s
     and updated_at < case status
                          when 'succeeded' then %(succeeded)s::timestamptz
                          when 'failed' then %(failed)s::timestamptz
                          when 'interrupted' then %(interrupted)s::timestamptz
                          when 'cancelled' then %(cancelled)s::timestamptz
                      end
   and not exists (select from fcs.dependencies where needs_id = tasks.id and is_open)
group by status;

-- name: overripe
-- For how many seconds the ripest of the oldest tasks has been past its time; below zero before.
select extract(epoch from max(past))::float
  from (
             select case status
                        when 'succeeded' then %(succeeded)s::timestamptz
                        when 'failed' then %(failed)s::timestamptz
                        when 'interrupted' then %(interrupted)s::timestamptz
                        when 'cancelled' then %(cancelled)s::timestamptz
                    end - updated_at as past
               from fcs.tasks
           order by id
              limit %(rows)s
       ) as oldest;

-- name: owns_tasks
-- Whether this role may vacuum the table.
select pg_has_role(relowner, 'usage') from pg_class where oid = 'fcs.tasks'::regclass;

-- name: space
-- Sizes in pages. The rows are as the last vacuum or analyze counted them.
select pg_relation_size('fcs.tasks') / current_setting('block_size')::int as pages,
       pg_relation_size('fcs.tasks_pkey') / current_setting('block_size')::int as index_pages,
       greatest(reltuples, 0)::bigint as rows,
       -- A row's head and its pointer on the page, and the columns on the average.
       40 + coalesce(
           (
               select sum((1 - null_frac) * avg_width)
                 from pg_stats
                where schemaname = 'fcs'
                  and tablename = 'tasks'
           ),
           200
       )::float as row_bytes,
       coalesce(
           to_regclass('fcs.tasks_pkey_ccnew'),
           to_regclass('fcs.tasks_pkey_ccold')
       ) is not null as has_leftovers
  from pg_class
 where oid = 'fcs.tasks'::regclass;

-- name: vacuum
-- Make the space of deleted rows usable, and cut off empty pages at the end. Postgres lets go at
-- once when somebody waits for the lock that the latter takes. An autovacuum that is under way
-- makes room for this one.
vacuum (index_cleanup on, analyze) fcs.tasks;

-- name: move_rows
-- Move some rows from between two places of the table to the front, wherever there is room.
select last::text, farthest from fcs.move_rows(%(after)s::tid, %(before)s::tid, %(rows)s);

-- name: reindex
-- Build the index of the ids anew; nobody who reads or writes tasks waits.
reindex index concurrently fcs.tasks_pkey;

-- name: drop_unfinished_index
-- What a `reindex` leaves that was cut off before it was done.
drop index concurrently if exists fcs.tasks_pkey_ccnew;

-- name: drop_replaced_index
-- What a `reindex` leaves that was cut off right after it was done.
drop index concurrently if exists fcs.tasks_pkey_ccold;
