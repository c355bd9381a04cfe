"""The schema: numbered files, applied once, in order, by one migrator at a time.

Each file is one transaction. Its row in `fcs.migrations` carries a checksum, so that a file
that was changed after it had been applied is noticed.
"""

from hashlib import sha256
from importlib.resources import files
from typing import Final, NamedTuple

from fcs.database.connect import Connection, connect
from fcs.domain.errors import InvalidSettings, MigrationChanged, SchemaNewer, SchemaOutdated

POSTGRES_MIN: Final = 14
_LOCK: Final = 0x66_63_73_00_01  # "fcs", and 1 for the migrator

_FOUNDATION: Final = """
    create table fcs.migrations (
        number     integer     primary key,
        name       text        not null,
        checksum   text        not null,
        applied_at timestamptz not null default now()
    );
"""


class Migration(NamedTuple):
    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return sha256(self.text.encode()).hexdigest()


def known() -> list[Migration]:
    """The migrations that this fcs carries, in order."""
    found = [
        Migration(int(file.name[:4]), file.name.removesuffix(".sql"), file.read_text("utf-8"))
        for file in (files("fcs.database") / "migrations").iterdir()
        if file.name.endswith(".sql")
    ]
    return sorted(found)


async def migrate(url: str) -> list[str]:
    """Bring the database up to this fcs; return the names of what was applied.

    Safe to run twice and from two places at once: the second waits, and then finds it done.

    Raises `SchemaNewer` for a database that a newer fcs has upgraded, `MigrationChanged` when
    an applied file differs from ours, `DatabaseUnavailable` when Postgres cannot be reached.
    """
    db = await connect(url, part="init")
    async with db:
        _require_version(db.info.server_version)
        return [m.name for m in known() if await _apply_once(db, m)]


async def check_schema(db: Connection) -> None:
    """Make sure that the database has exactly the schema of this fcs.

    Raises `SchemaOutdated` or `SchemaNewer`, each with the command that helps.
    """
    migrations = known()
    applied = await _applied(db) if await _has_foundation(db) else {}
    _refuse_newer(applied, migrations)
    missing = [m.name for m in migrations if m.number not in applied]
    if missing:
        raise SchemaOutdated(
            f"the database lacks the schema of this fcs (missing: {', '.join(missing)})",
            hint="Run:  fcs init --database URL",
        )
    _refuse_changed(applied, migrations)


async def _apply_once(db: Connection, migration: Migration) -> bool:
    async with db.transaction():
        await db.execute("set local statement_timeout = 0")
        # Of all who want to migrate, one does; the lock goes with the transaction.
        await db.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
        if not await _has_foundation(db):
            await _lay_foundation(db)
        applied = await _applied(db)
        _refuse_newer(applied, known())
        _refuse_changed(applied, [migration])
        if migration.number in applied:
            return False
        await db.execute(
            "insert into fcs.migrations (number, name, checksum) values (%s, %s, %s)",
            [migration.number, migration.name, migration.checksum],
        )
        # Our own file, not somebody's input.
        await db.execute(migration.text.encode())
        return True


async def _lay_foundation(db: Connection) -> None:
    await _refuse_strangers(db)
    # Not `if not exists`: that asks for the right to make schemas even where it is made already.
    if not await _is_there(db, "select to_regnamespace('fcs')"):
        await db.execute("create schema fcs")
    await db.execute(_FOUNDATION)


async def _applied(db: Connection) -> dict[int, tuple[str, str]]:
    cursor = await db.execute("select number, name, checksum from fcs.migrations")
    return {number: (name, checksum) for number, name, checksum in await cursor.fetchall()}


async def _has_foundation(db: Connection) -> bool:
    return await _is_there(db, "select to_regclass('fcs.migrations')")


async def _refuse_strangers(db: Connection) -> None:
    if await _is_there(db, "select to_regclass('fcs.tasks')"):
        raise InvalidSettings(
            "the database has a table fcs.tasks that this program did not make",
            hint="Use another database, or move that schema away: alter schema fcs rename to …",
        )


async def _is_there(db: Connection, query: str) -> bool:
    return await (await db.execute(query.encode())).fetchone() != (None,)


def _refuse_newer(applied: dict[int, tuple[str, str]], migrations: list[Migration]) -> None:
    newest = max(applied, default=0)
    ours = migrations[-1].number
    if newest > ours:
        raise SchemaNewer(
            f"the database has schema {newest}, this fcs knows up to {ours}",
            hint="Upgrade this fcs to the version that the others use.",
        )


def _refuse_changed(applied: dict[int, tuple[str, str]], migrations: list[Migration]) -> None:
    for migration in migrations:
        row = applied.get(migration.number)
        if row is not None and row[1] != migration.checksum:
            raise MigrationChanged(
                f"migration {migration.name} was applied with another content ({row[0]})",
                hint="Install the fcs that made this database, or one released after it.",
            )


def _require_version(version: int) -> None:
    if version < POSTGRES_MIN * 10_000:
        raise InvalidSettings(
            f"this is Postgres {version // 10_000}; fcs needs {POSTGRES_MIN} or newer",
            hint="Upgrade Postgres, or try `fcs up`, which brings its own.",
        )


def schema_version() -> int:
    """The number of the newest migration that this fcs carries."""
    return known()[-1].number
