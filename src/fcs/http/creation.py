"""From the body of a create request to new tasks, or to an error that names every wrong place."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from fcs.domain import json
from fcs.domain.durations import seconds_of
from fcs.domain.errors import InvalidInput, Problem
from fcs.domain.ids import TaskId
from fcs.domain.json import pointer
from fcs.domain.moments import checked_moment
from fcs.domain.task import NewTask, WhenNeedsFail
from fcs.http.wire import NewTaskDocument
from fcs.registry import Registry, check_limit_key, check_queue, check_timeout
from fcs.registry.problems import explain, find_problem, near_match
from fcs.registry.signature import DISCRIMINATOR

V = TypeVar("V")
W = TypeVar("W")

_ONE = msgspec.json.Decoder(NewTaskDocument)
_PARTS = msgspec.json.Decoder(list[msgspec.Raw])
_FIELDS = msgspec.structs.fields(NewTaskDocument)

_PROBLEMS_SHOWN = 20


def read_tasks(
    body: bytes, *, registry: Registry, new_id: Callable[[], TaskId], key: str | None = None
) -> NewTask | list[NewTask]:
    """One task, or many where the body is an array. All must be right, or `InvalidInput`.

    `key` is that of the request, for all of them together.
    """
    value = json.parse(body)
    if isinstance(value, list):
        many = _read_many(value, _PARTS.decode(body), registry, new_id)
        return [_under(key, task) for task in many]
    return _under(key, _read_one(value, body, registry, new_id))


def _under(key: str | None, task: NewTask) -> NewTask:
    return task if key is None else replace(task, key=key)


def _read_many(
    values: list[Any],
    parts: list[msgspec.Raw],
    registry: Registry,
    new_id: Callable[[], TaskId],
) -> Iterator[NewTask]:
    wrong: list[InvalidInput] = []
    for index, (value, part) in enumerate(zip(values, parts, strict=True)):
        try:
            task = _read_one(value, bytes(part), registry, new_id)
        except InvalidInput as error:
            _move(error, pointer(index))
            wrong.append(error)
            if len(wrong) == _PROBLEMS_SHOWN:
                break
        else:
            yield task
    if len(wrong) == 1:
        raise wrong[0]
    if wrong:
        raise InvalidInput(
            f"{len(wrong)} or more of {len(values)} tasks are wrong; none was created.",
            hint=wrong[0].hint,
            problems=[problem for error in wrong for problem in error.problems],
        )


def _read_one(value: Any, text: bytes, registry: Registry, new_id: Callable[[], TaskId]) -> NewTask:
    asked = _decode(text)
    ty = _type_of(value["def"])
    try:
        task_type = registry.get(ty)
        args = task_type.normalise(bytes(asked.definition))
        key = task_type.limit_key_of(args) if asked.limit_key is None else asked.limit_key
    except InvalidInput as error:
        _move(error, "/def")
        raise
    return NewTask(
        id=new_id(),
        ty=ty,
        args=args,
        queue=task_type.queue if asked.queue is None else asked.queue,
        priority=task_type.priority if asked.priority is None else asked.priority,
        scheduled_at=_given(checked_moment, asked.scheduled_at, None),
        delay=_seconds("delay", asked.delay),
        max_attempts=task_type.max_attempts if asked.max_attempts is None else asked.max_attempts,
        timeout=_given(check_timeout, _seconds("timeout", asked.timeout), task_type.timeout),
        on_interrupt=asked.on_interrupt or task_type.on_interrupt,
        limit_key=key,
        after=tuple(asked.after or ()),
        when_needs_fail=asked.when_needs_fail or WhenNeedsFail.CANCEL,
    )


def _decode(text: bytes) -> NewTaskDocument:
    try:
        asked = _ONE.decode(text)
    except msgspec.ValidationError as error:
        problem = find_problem(error)
        raise _invalid(problem.pointer, problem.message, _field_hint(problem)) from None

    if asked.queue is not None:
        check_queue(asked.queue)
    if asked.limit_key is not None:
        check_limit_key(asked.limit_key)
    if asked.scheduled_at is not None:
        checked_moment(asked.scheduled_at)
        if asked.delay is not None:
            raise _invalid("/delay", "stands beside scheduled_at", "Say one of the two.")
    return asked


def _seconds(name: str, stretch: float | str | None) -> float | None:
    try:
        return None if stretch is None else seconds_of(stretch)
    except InvalidInput as error:
        raise _invalid(f"/{name}", str(error), error.hint) from None


def _given(check: Callable[[V], W], value: V | None, usual: W) -> W:
    """A given value, checked; else what is usual."""
    return usual if value is None else check(value)


def _type_of(definition: Any) -> str:
    if not isinstance(definition, dict):
        raise _invalid("/def", "expected an object", f'Send {{"def": {{"{DISCRIMINATOR}": ...}}}}.')
    if DISCRIMINATOR not in definition:
        raise _invalid(
            f"/def/{DISCRIMINATOR}", "is missing", "It names the type of the task: its function."
        )
    ty = definition[DISCRIMINATOR]
    if not isinstance(ty, str):
        raise _invalid(f"/def/{DISCRIMINATOR}", "expected a string", "It names the type.")
    return ty


def _field_hint(problem: Problem) -> str:
    known = [field.encode_name for field in _FIELDS]
    name = problem.pointer[1:]
    if name == "scheduled_at":
        return "Moments look like 2031-05-17T09:00:00Z or 2031-05-17T09:00:00+02:00."
    if name in known:
        return ""
    return near_match(name, known) or "Arguments of the task stand inside `def`, beside `ty`."


def _invalid(place: str, message: str, hint: str) -> InvalidInput:
    problem = Problem(place, message)
    return InvalidInput(
        f"The task cannot be created: {explain(problem)}.", hint=hint, problems=[problem]
    )


def _move(error: InvalidInput, prefix: str) -> None:
    """Make the places of an error lie below `prefix`."""
    error.problems = [Problem(prefix + found.pointer, found.message) for found in error.problems]
