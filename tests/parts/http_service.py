"""The HTTP server as the tests use it: real sockets, real Postgres, a few task types."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from random import Random
from typing import Annotated, Any
from uuid import UUID

import httpx2
from msgspec import Meta

from fcs.database.writer import Writer
from fcs.domain.ids import ENTROPY_BYTES, TaskId, uuid7
from fcs.http import Check, Checks, Store, Tokens, create_app, serve
from fcs.node.door import bind
from fcs.registry import Registry, TaskType

NOWHERE = "postgresql://127.0.0.1:1/nothing"


async def baz() -> None:
    """Log a random number."""


async def resize(photo: UUID, width: Annotated[int, Meta(gt=0)] = 800) -> None:
    """Resize a photo to <b>width</b>."""


async def note(anything: Any = None) -> None:
    """Take anything."""


async def sturdy() -> None:
    """Do not give up."""


async def greet(customer: str) -> None:
    """Say hello."""


def registry() -> Registry:
    known = Registry()
    known.add(TaskType(baz))
    known.add(TaskType(resize, queue="photos", priority=7))
    known.add(TaskType(note))
    known.add(TaskType(sturdy, max_attempts=4, timeout=2.5, on_interrupt="retry"))
    known.add(TaskType(greet, limit_by="customer"))
    return known


def new_id() -> TaskId:
    return TaskId(uuid7(time.time_ns() // 1_000_000, os.urandom(ENTROPY_BYTES)))


@dataclass
class Service:
    client: httpx2.AsyncClient
    host: str
    port: int
    part: asyncio.Task[None]

    async def post(self, body: Any, **headers: str) -> httpx2.Response:
        """Create, from a value or from the very bytes."""
        headers = {"Content-Type": "application/json"} | headers
        if isinstance(body, bytes):
            return await self.client.post("/tasks", content=body, headers=headers)
        return await self.client.post("/tasks", json=body, headers=headers)

    async def create(self, body: Any) -> str:
        """Create one task; return its id."""
        answer = await self.post(body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def send_raw(self, data: bytes) -> bytes:
        """Send bytes over a connection of their own; return all that comes until it closes."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(data)
        answer = await reader.read()
        writer.close()
        return answer


async def is_fine() -> Check:
    return Check(ok=True, detail="fine")


@asynccontextmanager
async def serving(
    database_url: str,
    *,
    checks: Checks | None = None,
    check_host: bool = True,
    tokens: Tokens | None = None,
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[Service]:
    """Serve on a free port for as long as the block runs."""
    rng = Random(1)
    writer = Writer(database_url, rng=rng, patience=0.5)
    store = Store(database_url, writer=writer, rng=rng)
    app = create_app(
        registry=registry(),
        store=store,
        new_id=new_id,
        checks={"parts": is_fine} if checks is None else checks,
        version="1.2.3",
        check_host=check_host,
        tokens=tokens,
    )
    listeners = await bind("127.0.0.1", 0)
    host, port = listeners[0].getsockname()
    part = asyncio.create_task(serve(app, listeners, on_stop=store.endings.close))
    try:
        base = f"http://{host}:{port}"
        async with httpx2.AsyncClient(base_url=base, headers=headers, timeout=30) as client:
            yield Service(client, host, port, part)
    finally:
        part.cancel()
        with suppress(asyncio.CancelledError):
            await part
        await store.close()
        await writer.close()


def assert_problem(answer: httpx2.Response, status: int, code: str, place: str = "") -> None:
    """The answer is a problem document that says this, and says nothing it should not."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    if place:
        named = [found.get("pointer", found.get("parameter")) for found in problem["errors"]]
        assert named == [place]
    for secret in ("select ", "psycopg", "Traceback", "/src/", ".py", "1.2.3", "postgres"):
        assert secret not in answer.text
