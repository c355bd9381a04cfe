"""What an adoption found, as programs and people read it."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from fcs.cli.common import Common
from fcs.cli.output import columns, say
from fcs.cli.text import cut, printable
from fcs.database.adoption import SHOWN_MAX, Adoption
from fcs.database.identity import Witness
from fcs.domain.identity import Fate
from fcs.domain.problems import in_words

_FATES: Final = {
    Fate.BEGINS: "begins there",
    Fate.RUNS_ON: "runs on",
    Fate.INTERRUPTED: "interrupted",
    Fate.RUNS_AGAIN: "runs again, as it asked for",
}


def waiting(common: Common) -> Callable[[Sequence[Witness]], None]:
    """Say for whom an adoption waits."""

    def wait(workers: Sequence[Witness]) -> None:
        names = ", ".join(str(worker.id) for worker in workers[:5])
        more = f" and {len(workers) - 5} more" if len(workers) > 5 else ""
        say(common, f"waiting for workers to tell what they had begun: {names}{more}")

    return wait


def document(found: Adoption | None) -> dict[str, Any]:
    """As programs read it."""
    if found is None:
        return {"on_hold": False, "adopted": False}
    workers = [worker._asdict() for worker in found.workers]
    for worker in workers:
        del worker["is_awaited"]
    return {"on_hold": not found.adopted, **msgspec.structs.asdict(found), "workers": workers}


def show(found: Adoption | None) -> str:
    """As people read it."""
    if found is None:
        return "Nothing to adopt: this is the database that fcs knows."
    parts = [f"on hold: {printable(found.why)}"]
    if found.workers:
        parts.append(_workers(found.workers))
    if found.tasks:
        parts.append(_tasks(found))
    parts.append(_adopted(found) if found.adopted else _not_yet(found))
    return "\n\n".join(parts)


def _workers(workers: Sequence[Witness]) -> str:
    return columns(
        ["WORKER", "HOST", "LAST BEAT", "HAS TOLD WHAT IT HAD BEGUN"],
        [
            (
                worker.id,
                cut(worker.host, 30),
                f"{in_words(worker.silent)} ago",
                "yes" if worker.has_testified else "no",
            )
            for worker in workers
        ],
    )


def _tasks(found: Adoption) -> str:
    table = columns(
        ["TASK", "TYPE", "STATUS", "WORKER", "THEN"],
        [
            (task.id, cut(task.type, 40), task.status, task.worker_id, _FATES[task.fate])
            for task in found.tasks
        ],
    )
    return f"{table}\n… and others" if len(found.tasks) == SHOWN_MAX else table


def _adopted(found: Adoption) -> str:
    return (
        "Adopted: it goes on.\n"
        "See what was interrupted, and look at its effects:  fcs task list --status interrupted"
        + _doubt(found)
    )


def _not_yet(found: Adoption) -> str:
    return "What waits will run; what must not:  fcs task cancel --status pending" + _doubt(found)


def _doubt(found: Adoption) -> str:
    """What nobody can tell: of whom nothing is heard."""
    silent = sum(not worker.has_testified for worker in found.workers)
    if not silent:
        return ""
    return (
        f"\nOf {silent} of {len(found.workers)} workers nothing was heard: if one of them began a"
        " task that waits by the rows, it runs a second time."
    )
