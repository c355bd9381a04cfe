"""Creating and cancelling tasks over HTTP, by whichever door answers."""

import asyncio
import http.client
import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Final

from proof.torture.wishes import Answer, Way, Wish

PATIENCE: Final = 20.0
"""Seconds after which nobody waits for an answer any more."""

UNKNOWN: Final = frozenset({408, 409, 503})
"""Statuses after which a create may or may not have happened."""


def by_http(doors: Sequence[str], rng: Random) -> Way:
    """As a program does that knows nothing of fcs."""

    async def create(wish: Wish) -> Answer:
        path = "/tasks/batch" if len(wish.calls) > 1 else "/tasks"
        documents = [_document(wish, call) for call in wish.calls]
        body: Any = documents if len(wish.calls) > 1 else documents[0]
        headers = {"Idempotency-Key": wish.key} if wish.key else {}
        return await asyncio.to_thread(_create, rng.choice(doors), path, body, headers)

    async def cancel(id: str) -> str:
        return await asyncio.to_thread(_cancel, rng.choice(doors), id)

    return Way(create, cancel)


def _document(wish: Wish, call: Mapping[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {"def": {"ty": wish.ty, **call}}
    if wish.scheduled_at is not None:
        document["scheduled_at"] = wish.scheduled_at.isoformat()
    return document


def _create(door: str, path: str, body: Any, headers: Mapping[str, str]) -> Answer:
    try:
        status, said = _ask(door, path, body, headers)
    except ConnectionRefusedError as error:
        return Answer("fail", error=repr(error))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer("unknown", error=repr(error))
    if status in (200, 201):
        created = said if isinstance(said, list) else [said]
        return Answer("ok", tuple(task["id"] for task in created))
    if status in UNKNOWN:
        return Answer("unknown", error=str(said))
    if status >= 500:
        return Answer("surprise", error=f"{status} {said}")
    return Answer("fail", error=f"{status} {said}")


def _cancel(door: str, id: str) -> str:
    try:
        status, said = _ask(door, f"/tasks/{id}/cancel", {}, {})
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"unknown: {error!r}"
    return str(said["status"]) if status == 200 else f"{status} {said}"


def _ask(door: str, path: str, body: Any, headers: Mapping[str, str]) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(door, timeout=PATIENCE)
    try:
        connection.request(
            "POST", path, json.dumps(body), {"Content-Type": "application/json", **headers}
        )
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    finally:
        connection.close()
