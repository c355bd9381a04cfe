"""Health: alive as long as it answers; ready when every check says so."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, TypeAlias

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from fcs.http.errors import NotReady

log = logging.getLogger(__name__)

_SECONDS_MAX = 2.0


class Check(NamedTuple):
    """What a check found. `detail` is shown to people: no address, no password."""

    ok: bool
    detail: str = ""


Checks: TypeAlias = Mapping[str, Callable[[], Awaitable[Check]]]


class Health:
    """`checks` belong to the node, which knows its parts."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks

    async def live(self, request: Request) -> Response:
        """Answers without asking anybody, so a database that is away restarts no node."""
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def ready(self, request: Request) -> Response:
        found = dict(
            zip(
                self._checks,
                await asyncio.gather(*map(_carry_out, self._checks.values())),
                strict=True,
            )
        )
        verbose = "verbose" in request.query_params
        shown: dict[str, dict[str, str | bool]] = {
            name: {"ok": check.ok, "detail": check.detail} for name, check in found.items()
        }
        failing = [name for name, check in found.items() if not check.ok]
        if failing:
            raise NotReady(
                f"Not ready: {', '.join(failing)}.",
                hint="" if verbose else "/readyz?verbose tells more.",
                checks=shown if verbose else {},
            )
        answer = {"status": "ok"} | ({"checks": shown} if verbose else {})
        return Response(msgspec.json.encode(answer), media_type="application/json")


async def _carry_out(check: Callable[[], Awaitable[Check]]) -> Check:
    try:
        async with asyncio.timeout(_SECONDS_MAX):
            return await check()
    except TimeoutError:
        return Check(ok=False, detail=f"no answer within {_SECONDS_MAX:g} seconds")
    except Exception:
        log.exception("readiness check failed")
        return Check(ok=False, detail="failed; the log tells why")
