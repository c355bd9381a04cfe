"""`fcs mode`: who hands out the tasks of a cluster, shown and changed."""

from uuid import UUID

import click
import pytest
from tests.cli.said import Fcs
from tests.cli.test_status import in_thread, register
from tests.cli.test_task import Rows

from fcs.cli.mode import command
from fcs.database import leadership
from fcs.database.connect import Connection, connect
from fcs.database.leadership import SESSIONS, Candidate
from fcs.domain.ids import NodeId
from fcs.domain.strategy import Strategy
from fcs.domain.topology import Mode, Part

ANN = Candidate(NodeId(UUID(int=0xA)), Part.ELECTABLE_WORKER, "ann", 42)


def test_every_mode_and_strategy_can_be_named() -> None:
    asked = {param.name: param.type for param in command.params}
    for name, known in [("mode", Mode), ("strategy", Strategy)]:
        choice = asked[name]
        assert isinstance(choice, click.Choice)
        assert list(choice.choices) == list(known)


async def test_it_shows_who_leads_and_who_could(
    fcs: Fcs, db: Connection, database_url: str
) -> None:
    assert await leadership.bid(db, ANN, term=1, lease=60)
    async with (
        await connect(database_url, part=SESSIONS[Part.SUPERVISOR]),
        await connect(database_url, part=SESSIONS[Part.ELECTABLE_WORKER]),
        await connect(database_url, part=SESSIONS[Part.ELECTABLE_WORKER]),
    ):
        said = await in_thread(fcs, "mode")

    assert "elected, strategy random" in said.out
    assert f"a worker with --elect on ann, pid 42, node {ANN.node}, term 1 since " in said.out
    assert "1 fcs supervise, 2 workers with --elect" in said.out
    assert said.out.endswith("All is well.\n")


async def test_one_worker_that_could_lead_is_one(fcs: Fcs, database_url: str) -> None:
    async with await connect(database_url, part=SESSIONS[Part.ELECTABLE_WORKER]):
        said = await in_thread(fcs, "mode")

    assert "1 worker with --elect\n" in said.out


def test_a_cluster_that_nobody_leads_says_so(fcs: Fcs) -> None:
    said = fcs("mode")

    assert "nobody" in said.out
    assert "fcs work --elect" in said.out


def test_a_change_says_what_was_what_is_and_what_follows(fcs: Fcs) -> None:
    said = fcs("mode", "hash")

    assert said.code == 0
    assert said.out.splitlines()[0] == "the mode was elected, and is hash now"
    assert "Nobody leads: each worker hands out to itself." in said.out
    assert said.err == ""
    assert fcs("mode", "-o", "json").json["mode"] == "hash"


def test_the_strategy_changes_with_the_mode_or_by_itself(fcs: Fcs) -> None:
    said = fcs("mode", "dedicated", "--strategy", "sticky", "-q")
    assert said.out.splitlines()[:2] == [
        "the mode was elected, and is dedicated now",
        "the strategy was random, and is sticky now",
    ]
    changed = fcs("mode", "--strategy", "least_loaded", "-o", "json").json
    assert (changed["mode"], changed["strategy"]) == ("dedicated", "least_loaded")


def test_what_is_so_already_is_said_to_be(fcs: Fcs) -> None:
    said = fcs("mode", "elected", "-q")

    assert said.out.startswith("nothing has changed: the mode is elected, and the strategy random")


@pytest.mark.parametrize(
    ("mode", "remedy"),
    [("dedicated", "fcs supervise --database URL"), ("elected", "fcs work --elect")],
)
def test_who_changes_to_what_nobody_can_lead_is_warned(fcs: Fcs, mode: str, remedy: str) -> None:
    said = fcs("mode", mode)

    assert said.code == 0
    assert said.err.startswith("warning: ")
    assert remedy in said.err
    assert fcs("mode", mode, "-q").err == ""


async def test_a_worker_that_leads_does_not_hide_that_none_may_in_the_new_mode(
    fcs: Fcs, db: Connection
) -> None:
    assert await leadership.bid(db, ANN, term=1, lease=60)
    said = await in_thread(fcs, "mode", "dedicated")

    assert "no `fcs supervise` is connected" in said.err
    assert "until it hears of the mode" in (await in_thread(fcs, "mode")).out


async def test_who_could_lead_in_the_new_mode_is_no_warning(fcs: Fcs, database_url: str) -> None:
    async with await connect(database_url, part=SESSIONS[Part.SUPERVISOR]):
        await in_thread(fcs, "mode", "hash")
        said = await in_thread(fcs, "mode", "dedicated")

    assert "the mode was hash, and is dedicated now" in said.out
    assert said.err == ""


def test_limits_refuse_the_mode_hash_and_it_refuses_limits(fcs: Fcs) -> None:
    fcs("queue", "set", "mail", "--rate", "5/s")
    refused = fcs("mode", "hash").fails(5)
    assert "mail" in refused
    assert "fcs queue set mail --running-max none" in refused

    fcs("queue", "set", "mail", "--rate", "none")
    fcs("queue", "pause", "mail")
    assert fcs("mode", "hash").code == 0
    refused = fcs("queue", "set", "mail", "--rate", "5/s").fails(5)
    assert "fcs mode elected" in refused
    assert fcs("queue", "resume", "mail").code == 0


async def test_programs_are_told_of_workers_and_problems_too(
    fcs: Fcs, db: Connection, rows: Rows
) -> None:
    id = await register(db, "baz")
    rows.execute("update fcs.workers set follows = 'hash'")
    rows.execute("update fcs.cluster set changed_at = fcs.now() - interval '1 h'")

    shown = (await in_thread(fcs, "mode", "-o", "json")).json
    assert [(node["id"], node["follows"]) for node in shown["nodes"]] == [(str(id), "hash")]
    assert [problem["code"] for problem in shown["problems"]] == ["no_supervisor", "old_mode"]
    assert f"{id} (hash)" in (await in_thread(fcs, "mode")).out


@pytest.mark.parametrize("arguments", [["ring"], ["elected", "--strategy", "best"]])
def test_what_is_no_mode_or_strategy_is_refused(fcs: Fcs, arguments: list[str]) -> None:
    assert "is not one of" in fcs("mode", *arguments).fails(2)
