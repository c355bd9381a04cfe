"""Opening connections to Postgres, set up so that no default of a role or database surprises us."""

import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeAlias

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict

from fcs.database.session import Cut, Greeting, Session, SyncSession, greeting
from fcs.domain.errors import DatabaseUnavailable, InvalidSettings, SchemaOutdated

GREET_WITHIN: Final = 10.0
"""Seconds after which a connection is given up on which nobody has answered the first word."""

ANSWER_WITHIN: Final = 75.0
"""Seconds after which a connection that does not answer is given up: more than any statement may
take. The keepalives above notice a dead peer; a proxy that hangs acknowledges them."""

Connection: TypeAlias = AsyncConnection[tuple[Any, ...]]

# A dead peer is noticed in about ten seconds, also while bytes wait for an answer.
_DIAL: Final[dict[str, Any]] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}

# One of them is the primary, and which that is may have changed since.
_AMONG_SEVERAL: Final = {"target_session_attrs": "read-write"}

_SESSION: Final = {
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "statement_timeout": "60s",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "30s",
    "idle_session_timeout": "0",
    "client_connection_check_interval": "1s",
    # A machine that vanishes says nothing, and the locks of its silent sessions would stay for two
    # hours. A pooler's sessions are its own.
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",  # psycopg reads no other
    "extra_float_digits": "1",
    "jit": "off",
    # Every statement of ours has an index to go by, in the order that it asks for. With fresh
    # statistics the planner agrees; right after a bulk load it might read everything and sort it.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
}

# No such schema, table, function, column: the database was never prepared, or not for this fcs.
_NO_SCHEMA: Final = frozenset({"3F000", "42P01", "42883", "42703"})

# Hot statements look rows up by key, whatever the key is: one plan is right for all.
_KEYS_ONLY: Final = {"plan_cache_mode": "force_generic_plan"}


async def connect(url: str, *, part: str, keys_only: bool = False) -> Connection:
    """Open a connection in autocommit mode. `part` is what `pg_stat_activity` shows.

    `keys_only` is for statements that look rows up by key, again and again.

    Raises `DatabaseUnavailable` when Postgres cannot be reached and `InvalidSettings` when the
    URL cannot be read, or leads to sessions that fcs cannot use.
    """
    options = _options(url, part)
    try:
        db = await Session.connect(url, autocommit=True, **options)
    except psycopg.OperationalError as error:
        raise unavailable(url, error) from error
    try:
        with answering_within(GREET_WITHIN, db):
            row = await (await db.execute(*greeting(db, _wanted(keys_only)))).fetchone()
        if _is_pooled(row):
            await db.share(_wanted(keys_only))
    except BaseException as error:
        # Also when cancelled: nobody else knows of the connection.
        await db.close()
        if isinstance(error, psycopg.OperationalError):
            raise unavailable(url, error) from error
        raise
    return db


@contextmanager
def answering_within(seconds: float, db: Connection) -> Iterator[None]:
    """Cut a connection off if the block has not ended by then: its statement fails at once.

    Where it goes on in parts, `put_off` after each of them.
    """
    assert isinstance(db, Session)
    db.cut = cut = Cut(seconds, lambda: cut_off(db))
    try:
        yield
    finally:
        cut.cancel()
        if db.cut is cut:
            db.cut = None


def put_off(db: Connection) -> None:
    """Let what is going on take as long as that once more before it is cut off."""
    if isinstance(db, Session) and db.cut is not None:
        db.cut.put_off()


def cut_off(db: Connection) -> None:
    """Let a connection break."""
    # Not closed, but shut down: whoever waits for an answer hears of it, and nothing is sent.
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(db.pgconn.socket)) as cut:
        cut.shutdown(socket.SHUT_RDWR)


def connect_sync(url: str, *, part: str) -> SyncSession:
    """The twin of `connect` for code without an event loop."""
    options = _options(url, part)
    try:
        db = SyncSession.connect(url, autocommit=True, **options)
    except psycopg.OperationalError as error:
        raise unavailable(url, error) from error
    try:
        db.answer_within = GREET_WITHIN
        row = db.execute(*greeting(db, _SESSION)).fetchone()
        db.answer_within = ANSWER_WITHIN
        if _is_pooled(row):
            db.share(_SESSION)
    except BaseException as error:
        db.close()
        if isinstance(error, psycopg.OperationalError):
            raise unavailable(url, error) from error
        raise
    return db


def _wanted(keys_only: bool) -> Mapping[str, str]:
    return _SESSION | _KEYS_ONLY if keys_only else _SESSION


def _is_pooled(row: tuple[Any, ...] | None) -> bool:
    """Whether a pooler greeted us; refuse one whose sessions begin transactions otherwise."""
    assert row is not None
    answer = Greeting(*row)
    if answer.is_direct:
        return False
    if answer.isolation != "read committed" or answer.read_only != "off":
        raise InvalidSettings(
            "behind the pooler transactions are"
            f" {answer.isolation}{', read only' if answer.read_only == 'on' else ''}",
            hint="fcs needs: alter role … set default_transaction_isolation = 'read committed'; and"
            " default_transaction_read_only = off. Then let the pooler connect anew.",
        )
    return True


def unavailable(url: str, error: Exception) -> DatabaseUnavailable:
    """Postgres cannot be reached: where, why, and what to do; never with the password."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return DatabaseUnavailable(
        f"the database at {describe(url)} cannot be reached: {reason}", hint=_cure(reason)
    )


def _cure(reason: str) -> str:
    # While connecting, libpq tells by words alone what was wrong; other words get the last hint.
    if re.search('database ".*" does not exist', reason):
        return "Postgres runs, but lacks that database: make it with createdb."
    if re.search('role ".*" does not exist|authentication failed|no password supplied', reason):
        return "Postgres runs; say as whom to enter: postgres://USER:PASSWORD@host/name."
    if re.search("session is (read-only|in hot standby)|server is in hot standby mode", reason):
        return "What answers there is a standby; none of the hosts is a primary now."
    return "Check that Postgres runs there and that --database (or FCS_DATABASE) is right."


def explained(error: Exception) -> Exception:
    """What an error of Postgres means, where a person can do something about it."""
    if isinstance(error, psycopg.Error) and error.sqlstate in _NO_SCHEMA:
        return SchemaOutdated(
            "the database lacks the schema of this fcs", hint="Run:  fcs init --database URL"
        )
    return error


def describe(url: str) -> str:
    """Where a database is, without its password."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return "an unreadable URL"
    return f"{','.join(_hosts(parts))}/{parts.get('dbname', '')}"


def _hosts(parts: Mapping[str, Any]) -> list[str]:
    """The hosts of a URL with their ports; one port alone is that of all of them."""
    hosts = str(parts.get("host", "the default socket")).split(",")
    ports = str(parts.get("port", 5432)).split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    return [f"{host}:{port or 5432}" for host, port in zip(hosts, ports, strict=False)]


def _refuse_scheme(url: str) -> None:
    scheme, separator, _ = url.partition("://")
    if separator and scheme not in ("postgres", "postgresql"):
        raise InvalidSettings(
            f"the database URL begins with {scheme[:20]}://",
            hint="fcs needs a Postgres: postgres://user@host:5432/name.",
        ) from None


def _options(url: str, part: str) -> dict[str, Any]:
    """Our defaults; what the URL itself sets wins over them."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        # What it quotes is a piece of the URL, which may hold the password.
        _refuse_scheme(url)
        reason = re.sub('".*"', '"…"', " ".join(str(error).split()))
        raise InvalidSettings(
            f"the database URL cannot be read: {reason}",
            hint="It looks like postgres://user@host:5432/name.",
        ) from None
    defaults = _DIAL | {"application_name": f"fcs {part}"}
    if len(_hosts(given)) > 1:
        defaults |= _AMONG_SEVERAL
    return {name: value for name, value in defaults.items() if name not in given}
