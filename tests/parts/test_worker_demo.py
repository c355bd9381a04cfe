"""The example types, as a worker runs them that was given no application."""

import asyncio
import logging
import re

import pytest
from tests.parts.stage import give, reach, working

from fcs import Status
from fcs.client.ids import new_task_id
from fcs.database import tasks
from fcs.database.connect import Connection
from fcs.demo import app
from fcs.domain.task import NewTask, TaskView


async def run(url: str, db: Connection, ty: str, status: Status) -> TaskView:
    new = NewTask(new_task_id(), ty, b"{}")
    await tasks.create(db, [new])
    async with working(url, app.registry) as hired:
        await give(db, hired.incarnation, [new.id])
        [view] = await reach(db, [new.id], status)
    return view


def test_there_are_three() -> None:
    assert app.registry.names() == ["bar", "baz", "foo"]


async def test_foo_sleeps_and_succeeds(
    database_url: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def no_time(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("fcs.demo.asyncio", type("asyncio", (), {"sleep": no_time}))
    await run(database_url, db, "foo", Status.SUCCEEDED)
    assert slept == [3]


async def test_baz_logs_its_number(
    database_url: str, db: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "fcs.demo"):
        await run(database_url, db, "baz", Status.SUCCEEDED)
    [number] = re.findall(r"baz: number=(\d+)", caplog.text)
    assert 0 <= int(number) <= 343


async def test_bar_succeeds_when_its_url_answers(
    database_url: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("FCS_BAR_URL", f"http://127.0.0.1:{port}/")
        await run(database_url, db, "bar", Status.SUCCEEDED)


async def test_bar_fails_when_nobody_answers(
    database_url: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FCS_BAR_URL", "http://127.0.0.1:1/")
    view = await run(database_url, db, "bar", Status.FAILED)
    assert "refused" in str(view.error)
