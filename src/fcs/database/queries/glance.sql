-- One look that spares an idle supervisor many.

-- name: glance
-- Whether there is anything to look at more closely: notes on needed tasks, tasks that wait, tasks in
-- somebody's hands, queues with rules; and for how many seconds no schedule is due, or null.
select exists (select from fcs.unsettled) as has_notes,
       exists (select from fcs.tasks where due_at is not null) as has_waiting,
       exists (select from fcs.tasks where incarnation is not null) as has_held,
       exists (
           select
             from fcs.queues
            where paused_at is not null
               or num_nonnulls(running_max, rate, key_running_max, key_rate) > 0
       ) as has_rules,
       (
           select extract(epoch from min(next_fire_at) - fcs.now())::float
             from fcs.schedules
            where next_fire_at is not null
       ) as next_fire;
