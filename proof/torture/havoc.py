"""Acts on the database: its server, its sessions, its locks, its clock, its notifications."""

import os
import signal
from contextlib import suppress
from random import Random
from typing import Any, Final
from uuid import UUID

import psycopg

from proof.torture.keeper import send
from proof.torture.world import Struck, World

SESSIONS: Final = """
    select pid
      from pg_stat_activity
     where datname = current_database()
       and backend_type = 'client backend'
       and application_name <> 'nemesis'
       and pid <> pg_backend_pid()
"""

CLAIM: Final = """
    select standbys = current_setting('synchronous_standby_names')
               and standbys <> ''
               and standbys_seen_at <= clock_timestamp()
               and standbys_seen_at >= clock_timestamp() - interval '40 s'
      from fcs.identity
"""

LOCKED: Final = ("fcs.tasks", "fcs.tasks", "fcs.workers", "fcs.workers", "fcs.leadership")
LOCK_MAX: Final = 10.0
DOWN_MAX: Final = 2.0
JUMP_MAX: Final = 900.0
AHEAD_MAX: Final = 10.0
"""Seconds by which the clock is put forward: what is created then falls due that much later."""


def stop_server(world: World, rng: Random) -> Struck | None:
    """Stop Postgres at once, or as a power failure does; start it again a while later."""
    server = world.servers.primary
    if not server.running:
        return None
    if rng.random() < 0.5:
        server.stop("immediate")
    else:
        server.crash()
    return Struck(lasts=rng.uniform(0, DOWN_MAX), undo=server.start)


def fail_over(world: World, _: Random) -> Struck | None:
    """Lose the primary, and go on with the standby that every commit had waited for.

    Only once somebody has written down whom they wait for: else nobody could tell that nothing is
    lost, and all would wait for an adoption.
    """
    if not world.servers.primary.running:
        return None
    if world.servers.standby is None:
        world.servers.attach()
        return None
    if world.execute(CLAIM) != [(True,)]:
        return None
    world.servers.fail_over()
    world.board.upstream = world.servers.url()
    return Struck()


def kill_backend(world: World, rng: Random) -> Struck | None:
    """kill -9 of one session: the server throws all the others out and recovers."""
    pids = [pid for (pid,) in world.execute(SESSIONS)]
    if not pids:
        return None
    pid = rng.choice(pids)
    send(pid, signal.SIGKILL)
    return Struck(pid=pid)


def end_sessions(world: World, rng: Random) -> Struck | None:
    """End some sessions from the server's side."""
    pids = [pid for (pid,) in world.execute(SESSIONS)]
    ended = rng.sample(pids, min(len(pids), rng.choice([1, 1, 1, 2, 5])))
    world.execute("select pg_terminate_backend(pid) from unnest(%s::int[]) as pid", ended)
    return Struck(detail={"sessions": len(ended)}) if ended else None


def lock(world: World, rng: Random) -> Struck | None:
    """Hold a table so that nobody can even read it."""
    table = rng.choice(LOCKED)
    longest = LOCK_MAX if rng.random() < 0.2 else 2.0
    db = world.connect()
    try:
        db.execute("begin")
        db.execute(f"lock table {table} in access exclusive mode".encode())
    except psycopg.Error:
        db.close()
        raise

    def let_go() -> None:
        with suppress(psycopg.Error):
            db.close()

    lasts = rng.uniform(0.1, min(longest, world.pause_max))
    return Struck(lasts=lasts, undo=let_go, detail={"table": table})


def use_up_connections(world: World, rng: Random) -> Struck | None:
    """Take every connection that is left."""
    taken: list[psycopg.Connection[Any]] = []
    with suppress(psycopg.OperationalError):
        while len(taken) < 200:
            taken.append(world.connect())

    # Only who has to connect anew notices.
    for _, _, wire in rng.sample(world.wires(), 2):
        wire.reset()

    def let_go() -> None:
        for db in taken:
            db.close()

    return Struck(
        lasts=rng.uniform(0.2, min(3.0, world.pause_max)),
        undo=let_go,
        detail={"taken": len(taken)},
    )


def usurp(world: World, rng: Random) -> Struck | None:
    """Take the term away from whoever leads, so that for a while two do."""
    world.execute("update fcs.leadership set term = term + 1, node = null, expires_at = fcs.now()")
    if rng.random() < 0.7:
        world.execute("select pg_notify('fcs_candidates', 'vacant')")
    return Struck()


def switch_mode(world: World, rng: Random) -> Struck | None:
    """Another mode, and the words of those who change it."""
    mode = rng.choice(["dedicated", "elected", "hash"])
    world.execute("update fcs.cluster set mode = %s::fcs.mode", mode)
    if rng.random() < 0.7:
        world.execute(
            "select pg_notify('fcs_candidates', 'mode'), pg_notify('fcs_supervisor', 'workers')"
        )
    return Struck(detail={"mode": mode})


def set_clock(world: World, rng: Random) -> Struck | None:
    """The database's clock jumps, and jumps back: it is one function, so it jumps for all at once.

    Far back, so that coming back makes every lease look old; only a little ahead, because what is
    created ahead of time falls due that late.
    """
    seconds = rng.choice([-rng.uniform(1, JUMP_MAX), rng.uniform(1, AHEAD_MAX)])
    shifted = world.clock.replace("statement_timestamp()", _shifted(seconds))
    assert shifted != world.clock, "fcs.now() reads another clock by now"
    world.execute(shifted)

    def set_right() -> None:
        world.execute(world.clock)

    return Struck(lasts=rng.uniform(0.2, 2.0), undo=set_right, detail={"seconds": seconds})


def _shifted(seconds: float) -> str:
    return f"(statement_timestamp() + interval '{seconds:.3f} s')"


def talk_nonsense(world: World, rng: Random) -> Struck | None:
    """Notifications that mean nothing, name tasks that are none, or come twice."""
    said = [_nonsense(world, rng) for _ in range(rng.randrange(1, 30))]
    for channel, payload in said:
        world.execute("select pg_notify(%s, %s)", channel, payload)
    return Struck(detail={"notifications": len(said)})


def _nonsense(world: World, rng: Random) -> tuple[str, str]:
    channel = rng.choice(["fcs_supervisor", "fcs_candidates", _worker_channel(world, rng)])
    id = UUID(int=rng.getrandbits(128))
    payload = rng.choice(
        [
            "",
            os.urandom(rng.randrange(1, 60)).hex(),
            f"tasks {id}",
            f"{id}",
            f"cancel {id}",
            f"report {id} 1 -5 99999999999999999999999",
            f"report {id} {rng.getrandbits(60)} 0 0",
            _known_tasks(world, rng),
            "scan",
            "rescan",
            "workers",
            "vacant",
            "x" * 7_000,
        ]
    )
    return channel, payload


def _worker_channel(world: World, rng: Random) -> str:
    rows = world.execute("select incarnation from fcs.workers where state = 'live'")
    return f"fcs_worker_{rng.choice(rows)[0].hex}" if rows else "fcs_worker_nobody"


def _known_tasks(world: World, rng: Random) -> str:
    """Tasks that are there, whatever their status, told to whoever hears it."""
    rows = world.execute("select id from fcs.tasks order by id desc limit 50")
    ids = " ".join(str(id) for (id,) in rng.sample(rows, min(5, len(rows))))
    return rng.choice(["", "tasks "]) + ids
