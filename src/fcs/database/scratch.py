"""Scratch databases: made for a measurement on the user's own server, and removed after it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from fcs.database.connect import Connection, connect
from fcs.database.migrate import migrate
from fcs.domain.errors import InvalidSettings


@asynccontextmanager
async def scratch_database(url: str, *, name: str) -> AsyncIterator[str]:
    """A new database with fcs's schema beside the one that `url` names; yields its URL.

    Raises `InvalidSettings` when the role may not create databases.
    """
    admin = await connect(url, part="scratch")
    identifier = sql.Identifier(name)
    async with admin:
        try:
            await admin.execute(sql.SQL("create database {}").format(identifier))
        except psycopg.errors.InsufficientPrivilege:
            raise InvalidSettings(
                "this role may not create a database to measure in",
                hint="Use a role with CREATEDB, or leave --database out: fcs brings a Postgres.",
            ) from None
        except asyncio.CancelledError:
            # It may have been made just before the word to stop arrived.
            await _drop(admin, identifier)
            raise
        try:
            scratch = make_conninfo(url, dbname=name)
            await migrate(scratch)
            yield scratch
        finally:
            await _drop(admin, identifier)


async def _drop(admin: Connection, name: sql.Identifier) -> None:
    await admin.execute(sql.SQL("drop database if exists {} with (force)").format(name))
