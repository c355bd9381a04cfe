-- Reports in writing, from workers to a supervisor that is awake (see `fcs.tell`).

-- name: ask_for
-- Put up a row for each of these workers, and take down all others. Whoever finds none rings.
with wanted as (
    select unnest(%(incarnations)s::uuid[]) as incarnation
),
taken_down as (
    delete from fcs.reports
     where not exists (select from wanted where wanted.incarnation = reports.incarnation)
)
insert into fcs.reports (incarnation)
     select incarnation
       from wanted
on conflict do nothing;

-- name: read
-- What they have written last.
select report
  from fcs.reports
 where report <> '';
