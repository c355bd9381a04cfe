-- A made-up past, for measurements.

-- name: fill
-- Tasks of a day more than a week ago. Of every hundred 99 succeeded at once; the last one of
-- them failed, or of every second hundred waits for a moment that is still to come.
insert into fcs.tasks (
                id, ty, args, worker_id, run_id, created_at, updated_at, started_at,
                scheduled_at, due_at, status, dispatch_no, attempt
            )
     select (
                lpad(to_hex((extract(epoch from born) * 1000)::bigint), 12, '0') || '7'
                || substr(replace(gen_random_uuid()::text, '-', ''), 14)
            )::uuid,
            'noop',
            jsonb_build_object('no', no, 'text', 'arguments of the usual length'),
            case when status <> 'pending' then gen_random_uuid() end,
            case when status <> 'pending' then gen_random_uuid() end,
            born,
            born,
            case when status <> 'pending' then born end,
            case when status = 'pending' then fcs.now() + interval '30 days' end,
            case when status = 'pending' then fcs.now() + interval '30 days' end,
            status,
            (status <> 'pending')::int,
            (status <> 'pending')::int
       from (
                select no,
                       fcs.now() - interval '9 days' + no * interval '1 day' / %(tasks)s as born,
                       case
                           when no %% 200 = 0 then 'pending'::fcs.status
                           when no %% 100 = 0 then 'failed'
                           else 'succeeded'
                       end as status
                  from generate_series(1, %(tasks)s::int) as no
            ) as past;
