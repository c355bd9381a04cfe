"""The app: which path is what."""

from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from fcs.domain.ids import TaskId
from fcs.http.acts import Acts
from fcs.http.cluster import Cluster
from fcs.http.docs import POLICY, STYLE, render
from fcs.http.door import Door
from fcs.http.guard import Guard
from fcs.http.health import Checks, Health
from fcs.http.openapi import describe
from fcs.http.queues import Queues
from fcs.http.resource import Handler, Resource
from fcs.http.schedules import Schedules
from fcs.http.store import Store
from fcs.http.tasks import Tasks
from fcs.http.tokens import Tokens
from fcs.registry import Registry

BODY_BYTES_MAX = 64 * 1024


def create_app(
    *,
    registry: Registry,
    store: Store,
    new_id: Callable[[], TaskId],
    checks: Checks,
    version: str,
    check_host: bool = True,
    tokens: Tokens | None = None,
    body_bytes_max: int = BODY_BYTES_MAX,
) -> ASGIApp:
    """Put the app together. The task types must be registered by now.

    `check_host` is the answer of `check_listen`; with `tokens`, every request must show one.
    """
    tasks = Tasks(registry=registry, store=store, new_id=new_id, body_bytes_max=body_bytes_max)
    acts = Acts(store=store, new_id=new_id, body_bytes_max=body_bytes_max)
    timed = Schedules(registry=registry, store=store, new_id=new_id, body_bytes_max=body_bytes_max)
    queues = Queues(store=store, body_bytes_max=body_bytes_max)
    cluster = Cluster(store=store, body_bytes_max=body_bytes_max)
    health = Health(checks)
    description = describe(registry, version=version)
    page = render(description)
    routes = [
        Route("/tasks", Resource(GET=tasks.list_page, POST=tasks.create)),
        Route("/tasks/batch", Resource(POST=tasks.create)),
        Route("/tasks/bulk", Resource(POST=acts.bulk)),
        Route("/tasks/{id}/attempts", Resource(GET=tasks.attempts)),
        Route("/tasks/{id}/cancel", Resource(POST=acts.cancel)),
        Route("/tasks/{id}/retry", Resource(POST=acts.retry)),
        Route("/tasks/{id}/why", Resource(GET=tasks.explain)),
        Route("/tasks/{id}", Resource(GET=tasks.find, DELETE=tasks.delete)),
        Route("/schedules", Resource(GET=timed.list_page, POST=timed.create)),
        Route("/schedules/preview", Resource(POST=timed.preview)),
        Route(
            "/schedules/{name}",
            Resource(GET=timed.find, PATCH=timed.change, DELETE=timed.delete),
        ),
        Route("/schedules/{name}/pause", Resource(POST=timed.pause)),
        Route("/schedules/{name}/resume", Resource(POST=timed.resume)),
        Route("/schedules/{name}/run", Resource(POST=timed.run)),
        Route("/schedules/{name}/next", Resource(GET=timed.show_next)),
        Route("/queues", Resource(GET=queues.list_all)),
        Route("/queues/{name}", Resource(GET=queues.find, PATCH=queues.change)),
        Route("/queues/{name}/pause", Resource(POST=queues.pause)),
        Route("/queues/{name}/resume", Resource(POST=queues.resume)),
        Route("/queues/{name}/depth", Resource(GET=queues.depth)),
        Route("/cluster", Resource(GET=cluster.find, PUT=cluster.change)),
        Route("/workers", Resource(GET=_workers(store))),
        Route("/healthz", Resource(GET=health.live)),
        Route("/readyz", Resource(GET=health.ready)),
        Route("/openapi.json", Resource(GET=_fixed(msgspec.json.encode(description)))),
        Route("/", Resource(GET=_to_docs)),
        Route("/docs", Resource(GET=_fixed(page, "text/html", POLICY))),
        Route("/docs/style.css", Resource(GET=_fixed(STYLE, "text/css"))),
    ]
    router = Router(routes, redirect_slashes=False)
    return Door(router, Guard(check_host=check_host, tokens=tokens))


async def _to_docs(_: Request) -> Response:
    return RedirectResponse("docs")


def _workers(store: Store) -> Handler:
    async def list_workers(_: Request) -> Response:
        workers = await store.list_workers()
        return Response(msgspec.json.encode(workers), media_type="application/json")

    return list_workers


def _fixed(body: bytes, media_type: str = "application/json", policy: str = "") -> Handler:
    headers = {"Content-Security-Policy": policy} if policy else {}

    async def answer(_: Request) -> Response:
        return Response(body, headers=headers, media_type=media_type)

    return answer
