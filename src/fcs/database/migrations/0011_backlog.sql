-- The backlog in one direction, so that one comparison of rows says where a stretch of it begins
-- and where it ends: looking between two lanes then touches nothing of either.

drop index fcs.tasks_backlog;

create index tasks_backlog on fcs.tasks (queue, ty, priority, limit_key, due_at, id)
 where due_at is not null;
