"""What the OpenAPI description says of queues."""

from collections.abc import Sequence
from typing import Any

from fcs.database.queues import QueueView
from fcs.http.operations import BODY_PROBLEMS, act
from fcs.http.queues import DepthDocument, LimitsDocument
from fcs.registry.names import QUEUE_PATTERN

RECORDS = (LimitsDocument, DepthDocument, QueueView)

_NAME = {
    "name": "name",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": QUEUE_PATTERN},
}


def queue_paths(refs: Sequence[Any], pause: Any) -> dict[str, Any]:
    """The paths, from references to the schemas of `RECORDS` and of a pause."""
    limits, depth, queue = refs
    here = {"parameters": [_NAME]}
    return {
        "/queues": {
            "get": act(
                "listQueues", "List queues: with limits, with tasks that wait, or with workers",
                None, "200", {"type": "array", "items": queue},
            ),
        },
        "/queues/{name}": here | {
            "get": act("findQueue", "Look at a queue", None, "200", queue, "not_found"),
            "patch": act(
                "changeQueue", "Change the limits of a queue", limits, "200", queue,
                *BODY_PROBLEMS, "not_found", "limits_need_leader",
            ),
        },
        "/queues/{name}/pause": here | {
            "post": act(
                "pauseQueue", "Hand out no more tasks of a queue", pause, "200", queue,
                *BODY_PROBLEMS, "not_found", required=False,
            ),
        },
        "/queues/{name}/resume": here | {
            "post": act(
                "resumeQueue", "Hand out the tasks of a queue again", None, "200", queue,
                "not_found",
            ),
        },
        "/queues/{name}/depth": here | {
            "get": act(
                "measureQueue", "Count the tasks that are due, up to 10,000", None, "200", depth,
                "not_found",
            ),
        },
    }  # fmt: skip
