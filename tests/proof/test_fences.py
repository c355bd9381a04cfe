"""The fences that are taken out: each is in its statement, and what is left is SQL."""

import re
from collections.abc import Iterator

import psycopg
import pytest
from tests.conftest import Server, fresh_database

from proof.fences import FENCES, Fence
from proof.mutants.mutant import read_all

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


MUTANTS = read_all()


@pytest.mark.parametrize("fence", [fence for fence in FENCES if fence.mutant], ids=str)
def test_what_only_a_test_can_notice_has_a_mutant_that_takes_out_the_same(fence: Fence) -> None:
    mutant = MUTANTS[fence.mutant]
    module, _, name = fence.statement.partition(".")

    assert mutant.path.endswith(f"/{module}.sql")
    assert all(f"-- name: {name}" in hunk.section for hunk in mutant.hunks)
    before, after = (" ".join(" ".join(lines).split()) for lines in sides(fence.mutant))
    what = fence.text.removesuffix(" and").removeprefix("and ")
    assert what in before
    assert what not in after


def sides(name: str) -> tuple[list[str], list[str]]:
    """All that a mutant changes, as it was and as it is then."""
    hunks = MUTANTS[name].hunks
    return (
        [line for hunk in hunks for line in hunk.before],
        [line for hunk in hunks for line in hunk.after],
    )
