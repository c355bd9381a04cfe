"""Requests drawn from fcs's own description by schemathesis, one by one and in chains.

Every answer is held against the description: its status, its headers, the shape of its body. That
no fault of ours is among them, and that what was deleted is gone, is looked after as well.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from random import Random
from time import monotonic
from typing import Any, Final

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import AcceptedNegativeData, FailureGroup

from proof.fuzz.report import Report
from proof.fuzz.scene import Scene, describe
from proof.fuzz.wire import TOKEN, Address

STEPS: Final = 8
"""Requests in a chain, at the most."""

ROUND: Final = 20
"""Examples of each kind between two looks at the clock."""

PATIENCE: Final = 90
"""Seconds for an answer: a client may ask to wait for sixty."""

LEFT_OUT: Final = frozenset(
    {
        # Asked of every operation and in more ways by `rights.py`.
        "ignored_auth",
        "missing_required_header",
        # The form of a cron rule, a moment or a stretch of time is not to be said in JSON Schema.
        "positive_data_acceptance",
    }
)
"""Checks of schemathesis that are not asked for."""

LENIENT: Final = frozenset({"GET /readyz", "GET /schedules"})
"""What says more to whoever says `verbose`, however he says it; and what begins after any text, of
which the drawer of wrong requests takes some for wrong."""

_ON_TASK: Final = (
    "findTask",
    "deleteTask",
    "cancelTask",
    "retryTask",
    "explainTask",
    "listAttempts",
)
_ON_SCHEDULE: Final = (
    "findSchedule", "changeSchedule", "deleteSchedule", "pauseSchedule", "resumeSchedule",
    "runSchedule", "showNextFires",
)  # fmt: skip
_ON_QUEUE: Final = ("findQueue", "changeQueue", "pauseQueue", "resumeQueue", "measureQueue")

LINKS: Final[Mapping[tuple[str, str, str], tuple[str, str, Sequence[str]]]] = {
    ("/tasks", "post", "201"): ("id", "$response.body#/id", _ON_TASK),
    ("/tasks/batch", "post", "201"): ("id", "$response.body#/0/id", _ON_TASK),
    ("/tasks", "get", "200"): ("id", "$response.body#/0/id", _ON_TASK),
    ("/tasks/{id}", "delete", "204"): ("id", "$request.path.id", _ON_TASK),
    ("/tasks/{id}/retry", "post", "201"): ("id", "$response.body#/id", _ON_TASK),
    ("/tasks/{id}/cancel", "post", "200"): ("id", "$response.body#/id", _ON_TASK),
    ("/schedules", "post", "201"): ("name", "$response.body#/name", _ON_SCHEDULE),
    ("/schedules", "get", "200"): ("name", "$response.body#/0/name", _ON_SCHEDULE),
    ("/schedules/{name}", "patch", "200"): ("name", "$response.body#/name", _ON_SCHEDULE),
    ("/schedules/{name}", "delete", "204"): ("name", "$request.path.name", _ON_SCHEDULE),
    ("/schedules/{name}/run", "post", "201"): ("id", "$response.body#/id", _ON_TASK),
    ("/queues", "get", "200"): ("name", "$response.body#/0/name", _ON_QUEUE),
    ("/queues/{name}", "patch", "200"): ("name", "$response.body#/name", _ON_QUEUE),
}
"""Where an answer names something: the parameter, where in the answer it is, what takes it."""


class Seen:
    """What was asked, what was answered, and what was wrong with it."""

    def __init__(self, address: Address) -> None:
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {TOKEN}"
        self.base = "http://{}:{}".format(*address)
        self.operations: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.violations: Counter[str] = Counter()
        self.in_chains = 0
        self._deleted: set[str] = set()

    @property
    def kwargs(self) -> dict[str, Any]:
        """How every request is to be sent."""
        return {"base_url": self.base, "session": self.session, "timeout": PATIENCE}

    def judge(self, case: Any, response: Any, checks: Sequence[Any]) -> None:
        """Hold an answer against the description."""
        self.operations[case.operation.label] += 1
        self.statuses[response.status_code] += 1
        self._look_after_deleted(case, response)
        try:
            case.validate_response(response, checks=list(checks), transport_kwargs=self.kwargs)
        except FailureGroup as group:
            for failure in group.exceptions:
                if isinstance(failure, AcceptedNegativeData) and case.operation.label in LENIENT:
                    continue
                what = f"{case.operation.label}: {failure.title}: {failure.message}"[:600]
                self.violations[f"{what}\n    {case.as_curl_command()[:600]}"] += 1

    def _look_after_deleted(self, case: Any, response: Any) -> None:
        id = case.path_parameters.get("id")
        if id in self._deleted and response.status_code < 400:
            self.violations[f"{case.operation.label}: {id} was deleted and is there"] += 1
        if case.operation.label == "DELETE /tasks/{id}" and response.status_code == 204:
            self._deleted.add(id)


def run(scene: Scene, *, seconds: float, rng: Random, examples: int = ROUND) -> Report:
    """Ask for so long, single requests and chains in turn; some of each kind at least once."""
    seen = Seen(scene.address)
    description = linked(describe(scene.address))
    schema = schemathesis.openapi.from_dict(description, config=SchemathesisConfig())
    give_up_at = monotonic() + seconds
    while True:
        ask_each(schema, seen, examples=examples, number=rng.getrandbits(32))
        chain(schema, seen, examples=examples, number=rng.getrandbits(32))
        if monotonic() >= give_up_at:
            return _report(scene, seen, description)


def linked(description: Mapping[str, Any]) -> dict[str, Any]:
    """The description, with what leads from one request to the next."""
    found: dict[str, Any] = deepcopy(dict(description))
    for (path, method, status), (name, place, targets) in LINKS.items():
        response = found["paths"][path][method]["responses"][status]
        response["links"] = {
            target: {"operationId": target, "parameters": {name: place}} for target in targets
        }
    return found


def ask_each(schema: Any, seen: Seen, *, examples: int, number: int) -> None:
    """So many requests to each operation, as the description has them and as it does not."""
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            _ask(operation.as_strategy(generation_mode=mode), seen, examples, number)


def _ask(cases: Any, seen: Seen, examples: int, number: int) -> None:
    checks = chosen_checks()

    @seed(number)
    @_settings(examples)
    @given(case=cases)
    def ask(case: Any) -> None:
        seen.judge(case, case.call(**seen.kwargs), checks)

    # Of some operations nothing can be asked but what is right.
    with suppress(Unsatisfiable):
        ask()


def chain(schema: Any, seen: Seen, *, examples: int, number: int) -> None:
    """So many chains of requests, in which one takes up what another has named."""
    checks = chosen_checks()

    class Chain(schema.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return seen.kwargs

        def validate_response(self, response: Any, case: Any, *_: Any, **__: Any) -> None:
            seen.in_chains += 1
            seen.judge(case, response, checks)

    seed(number)(Chain)
    Chain.run(settings=settings(_settings(examples), stateful_step_count=STEPS))


def chosen_checks() -> list[Any]:
    """The checks of schemathesis that are asked for."""
    from schemathesis.checks import CHECKS, load_all_checks

    load_all_checks()
    return [check for check in CHECKS.get_all() if check.__name__ not in LEFT_OUT]


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def _report(scene: Scene, seen: Seen, description: Mapping[str, Any]) -> Report:
    report = Report("requests", tried=seen.operations.total())
    said = {
        f"{method.upper()} {path}"
        for path, item in description["paths"].items()
        for method in item.keys() - {"parameters"}
    }
    report.violations += [f"{what} ({times} times)" for what, times in seen.violations.items()]
    report.violations += [f"{what}: never asked" for what in sorted(said - seen.operations.keys())]
    report.violations += [f"{name} has ended" for name in scene.dead()]
    report.figures |= {
        "operations": len(seen.operations),
        "requests in chains": seen.in_chains,
        "statuses": " ".join(
            f"{status}:{times}" for status, times in sorted(seen.statuses.items())
        ),
    }
    return report
