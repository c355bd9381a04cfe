-- Who leads: a lease in one row, by the database's clock. Each change names the term that it
-- changes, so of two who do so at once one finds another term, and changes nothing.

-- name: look
-- The row, and the mode that says who may bid for it. Whose server process is gone is gone himself,
-- or cannot reach us; whether it is another's is not to be seen by everybody.
select term,
       node,
       extract(epoch from expires_at - fcs.now())::float as expires_in,
       node is not null
           and backend is not null
           and not exists (select from pg_stat_get_activity(backend)) as is_holder_gone,
       mode::text,
       part,
       host,
       leadership.pid
  from fcs.leadership, fcs.cluster;

-- name: bid
-- Take the next term, if this one is vacant, or was this node's own.
with lazy as (select fcs.lazily())
   update fcs.leadership
      set term = leadership.term + 1,
          node = %(node)s,
          part = %(part)s,
          host = %(host)s,
          pid = %(pid)s,
          since = fcs.now(),
          expires_at = fcs.now() + make_interval(secs => %(lease)s),
          backend = %(backend)s
     from lazy
    where leadership.term = %(term)s - 1
      and (
          node is null
          or node = %(node)s
          or expires_at <= fcs.now()
          or not exists (select from pg_stat_get_activity(backend))
      )
returning leadership.term;

-- name: resign
-- Give a term up, and tell those who stand by.
   update fcs.leadership
      set node = null,
          expires_at = fcs.now()
    where term = %(term)s
      and node = %(node)s
returning term, pg_notify('fcs_candidates', 'vacant');
