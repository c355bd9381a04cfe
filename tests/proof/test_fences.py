"""The fences that are taken out: each is in its statement, and what is left is SQL."""

import re
from collections.abc import Iterator

import psycopg
import pytest
from tests.conftest import Server, fresh_database

from proof.fences import FENCES, Fence

PLACEHOLDER = re.compile(r"%\((\w+)\)[sbt]")


@pytest.fixture(scope="module")
def db(postgres: Server, template: str) -> "Iterator[psycopg.Connection]":
    with fresh_database(postgres, template) as url, psycopg.connect(url, autocommit=True) as db:
        yield db


def complaint(db: psycopg.Connection, statement: str) -> str:
    """What Postgres has against a statement."""
    names = list(dict.fromkeys(PLACEHOLDER.findall(statement)))
    text = PLACEHOLDER.sub(lambda found: f"${names.index(found[1]) + 1}", statement)
    return db.pgconn.prepare(b"", text.replace("%%", "%").encode()).error_message.decode()


@pytest.mark.parametrize("fence", FENCES, ids=str)
def test_what_is_left_without_it_is_sql(db: psycopg.Connection, fence: Fence) -> None:
    with fence.taken_out() as without:
        assert complaint(db, without) == ""
