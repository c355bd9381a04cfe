/* The life of one task, once more and by another hand: from the description of the protocol, and not
 * from the table of moves. Everybody may be late at every step, for ever as well, so a worker that
 * dies is one that takes no further step. A worker has two slots; each may take up whatever number
 * its worker was ever told, again and again. Two supervisors and two reapers act at once, on whatever
 * they had chosen some time ago. A reaper suspects whom it likes.
 *
 * Left out on request, to see the model fail: NO_NUMBER, NO_HOLDER, BY_STATUS, BY_ID.
 */

#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef DISPATCHES
#define DISPATCHES 2
#endif
#ifndef ATTEMPTS
#define ATTEMPTS 1
#endif
#ifndef RETRY
#define RETRY 0
#endif

mtype = { pending, dispatched, running, succeeded, failed, interrupted, cancelled };

/* The row. */
mtype status = pending;
byte holder = 0;
byte no = 0;
byte run_id = 0;
byte attempt = 0;

/* The workers' rows, what each worker was told, and what the row said then. */
bool is_listed[WORKERS + 1];
byte told[WORKERS + 1];
byte attempt_read[DISPATCHES + 1];

/* The ledger: it knows what happened, whatever the row says. */
byte runs = 0;
byte started[DISPATCHES + 2];
bool has_returned[16];
bool has_raised[16];

#define IS_FINAL (status == succeeded || status == failed || status == interrupted || status == cancelled)

inline become(next) {
    assert(!IS_FINAL);                                  /* FINAL */
    status = next
}

inline wait_again() {
    become(pending);
    holder = 0;
    run_id = 0
}

#ifdef NO_NUMBER
#define NUMBERS_FIT true
#else
#define NUMBERS_FIT (no == n && attempt + 1 == a)
#endif

#ifdef NO_HOLDER
#define HOLDER_FITS true
#else
#define HOLDER_FITS (holder == me)
#endif

#ifdef BY_ID
#define IS_MINE true
#else
#ifdef BY_STATUS
#define IS_MINE (status == running)
#else
#define IS_MINE (status == running && run_id == r)
#endif
#endif

#define MAY_RETRY (attempt < ATTEMPTS)

proctype Slot(byte me) {
    byte n, r, a;

    do
    :: atomic {
           n = 1;
           do
           :: n < DISPATCHES -> n++
           :: break
           od;
           if
#ifdef NO_HOLDER
           :: n <= no -> a = attempt_read[n]
#else
           :: (told[me] >> n) & 1 -> a = attempt_read[n]
#endif
           :: else -> goto idle
           fi
       };

       atomic {                                         /* begin */
           if
           :: status == dispatched && NUMBERS_FIT && HOLDER_FITS ->
                  become(running);
                  runs++;
                  r = runs;
                  run_id = r;
                  attempt++
           :: else -> goto idle
           fi
       };

       if
       :: atomic {                                      /* go */
              assert(a <= ATTEMPTS);                    /* ONCE */
              assert(started[a] == 0);                  /* ONCE */
              started[a]++
          };
          if
          :: has_returned[r] = true;
             atomic {                                   /* succeed */
                 if
                 :: IS_MINE ->
                        assert(IS_FINAL || run_id == r);   /* OWNER */
                        become(succeeded);
                        assert(has_returned[run_id])       /* TRUTH */
                 :: else
                 fi
             }
          :: has_raised[r] = true;
             atomic {                                   /* retry, or fail */
                 if
                 :: IS_MINE && MAY_RETRY ->
                        assert(IS_FINAL || run_id == r);   /* OWNER */
                        wait_again()
                 :: IS_MINE && !MAY_RETRY ->
                        assert(IS_FINAL || run_id == r);   /* OWNER */
                        become(failed);
                        assert(has_raised[run_id])         /* TRUTH */
                 :: else
                 fi
             }
          fi
       :: atomic {                                      /* its lease is in doubt: release */
              if
              :: status == running && run_id == r -> wait_again(); attempt--
              :: else
              fi
          }
       fi;

idle:  atomic { n = 0; r = 0; a = 0 }
    od
}

proctype Supervisor() {
    byte w;

    do
    :: atomic {                                         /* plan */
           w = 1;
           do
           :: w < WORKERS -> w++
           :: break
           od
       };
       atomic {                                         /* dispatch */
           if
           :: status == pending && is_listed[w] && no < DISPATCHES ->
                  become(dispatched);
                  no++;
                  holder = w;
                  told[w] = told[w] | (1 << no);
                  attempt_read[no] = attempt + 1
           :: else
           fi;
           w = 0
       }
    :: atomic { status == dispatched -> wait_again() }  /* hand back, take back */
    od
}

proctype Reaper() {
    byte w;

    do
    :: atomic {
           w = 1;
           do
           :: w < WORKERS -> w++
           :: break
           od;
           if
           :: is_listed[w] ->                           /* with the worker's row locked */
                  is_listed[w] = false;
                  if
                  :: status == dispatched && holder == w -> wait_again()
                  :: status == running && holder == w && RETRY && MAY_RETRY -> wait_again()
                  :: status == running && holder == w && !(RETRY && MAY_RETRY) -> become(interrupted)
                  :: else
                  fi
           :: else
           fi;
           w = 0
       }
    od
}

proctype Client() {
    atomic {
        if
        :: status == pending || status == dispatched -> become(cancelled)
        :: else
        fi
    }
}

init {
    byte w = 1;

    atomic {
        do
        :: w <= WORKERS ->
               is_listed[w] = true;
               run Slot(w);
               run Slot(w);
               w++
        :: else -> break
        od;
        run Supervisor();
        run Supervisor();
        run Reaper();
        run Reaper();
        run Client()
    }
}
