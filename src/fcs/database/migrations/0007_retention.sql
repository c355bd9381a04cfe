-- Drawing a table together after much of it was pruned.

-- Move some rows from between two places of the table to the front, wherever there is room.
--
-- An update stays on its page while there is room, and no update can be told to leave it. So each
-- row is written anew, as it is, until its page is full and it has to leave: in one transaction,
-- so that nobody sees it on its way, and whoever waits for it finds it afterwards. What somebody
-- else holds is left, and so is what has just changed: it may be about to change again.
--
-- Answers with the last place looked at (null: there was no row) and the last page come to.
create function fcs.move_rows(
    after tid, before tid, row_max integer, out last tid, out farthest bigint
) language plpgsql as $$
declare
    places  tid[];
    leaving bigint[];
    reached bigint;
begin
    places := array(
          select tasks.ctid
            from fcs.tasks
           where tasks.ctid > after
             and tasks.ctid < before
             and tasks.updated_at < fcs.now() - interval '5 s'
        order by tasks.ctid
           limit row_max
             for no key update skip locked
    );
    last := places[cardinality(places)];
    leaving := array(select distinct (place::text::point)[0]::bigint from unnest(places) as place);
    while cardinality(places) > 0 loop
        with written as (
               update fcs.tasks
                  set created_at = created_at
                where tasks.ctid = any(places)
            returning tasks.ctid as place, (tasks.ctid::text::point)[0]::bigint as page
        )
        select coalesce(array_agg(place) filter (where page = any(leaving)), '{}'),
               max(page) filter (where page <> all(leaving))
          into places, reached
          from written;
        farthest := greatest(farthest, reached);
    end loop;
end
$$;
