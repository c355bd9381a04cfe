"""What msgspec found wrong with arguments, as an error that names the place."""

import re
from collections.abc import Sequence
from difflib import get_close_matches

from fcs.domain.errors import InvalidArguments, Problem
from fcs.domain.json import pointer
from fcs.domain.text import safe_text

_MESSAGE = re.compile(r"(?P<what>.*?)(?: - at `(?:key` in `)?(?P<path>\$[^`]*)`)?", re.DOTALL)
_STEP = re.compile(r"\.(?P<key>[^.\[]+)|\[(?P<index>\d+)\]|(?P<end>\[\.\.\.\])")
_FIELD = re.compile(r"Object (?P<fault>contains unknown|missing required) field `(?P<field>.*)`")


def find_problem(error: Exception) -> Problem:
    """The place and the message of a validation error."""
    found = _MESSAGE.fullmatch(safe_text(str(error)))
    what, steps = (found["what"], _steps(found["path"] or "")) if found else ("is invalid", [])
    if field := _FIELD.fullmatch(what):
        fault = {"contains unknown": "is not known here", "missing required": "is missing"}
        return Problem(
            pointer(*steps, field["field"]), f"`{field['field']}` {fault[field['fault']]}"
        )
    return Problem(pointer(*steps), what[:1].lower() + what[1:])


def invalid_arguments(name: str, error: Exception, known: Sequence[str]) -> InvalidArguments:
    """The error for arguments that do not fit type `name`, which takes the arguments `known`."""
    problem = find_problem(error)
    return InvalidArguments(
        f"Task type {name!r}: {explain(problem)}.",
        hint=near_match(problem.pointer[1:], known) or _takes(name, known),
        problems=[problem],
    )


def explain(problem: Problem) -> str:
    """A problem in words: where, and what."""
    place = problem.pointer[1:].replace("/", ".")
    if not place or problem.message.startswith("`"):
        return problem.message
    return f"`{place}`: {problem.message}"


def near_match(name: str, known: Sequence[str]) -> str:
    """A question for somebody who mistyped; empty when nothing is near or nothing is wrong."""
    if name.partition("/")[0] in known:
        return ""
    return "".join(f"Did you mean {near!r}?" for near in get_close_matches(name[:200], known, n=1))


def _takes(name: str, known: Sequence[str]) -> str:
    return f"{name!r} takes {', '.join(known) if known else 'no arguments'}."


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    for step in _STEP.finditer(path):
        if step["end"]:  # msgspec does not say which key of a dict
            break
        steps.append(step["key"] or int(step["index"]))
    return steps
