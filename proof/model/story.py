"""A counterexample as something to be read: who does what, one sentence for each step."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from proof.model import ring
from proof.model.checker import Counterexample
from proof.model.state import Label

Teller = Callable[[Counterexample[Any, Any]], list[str]]

_OF_TASKS: Final[Mapping[str, str]] = {
    "dispatch": "A supervisor gives the task to {who}: dispatch {no}.",
    "begin": "{Who} begins dispatch {no} as run {run}, and the row says so.",
    "begin again": "The begin of run {run} by {who}, sent long ago, is carried out once more.",
    "hand back": "{Who} hands dispatch {no} back.",
    "take back": "A supervisor takes dispatch {no} back from {who}.",
    "refuse": "{Who} refuses dispatch {no}: it cannot read the arguments.",
    "hear": "{Who} hears that run {run} has begun.",
    "go": "{Who} starts the body: run {run}, attempt {no}.",
    "give up": "{Who} will not start run {run}: its lease is in doubt.",
    "return": "The body of run {run} returns.",
    "raise": "The body of run {run} raises.",
    "cut": "{Who} ends the body of run {run} itself.",
    "succeed": "{Who} reports that run {run} has succeeded, and the row says so.",
    "fail": "{Who} reports that run {run} has failed, and the row says so.",
    "interrupt": "{Who} reports that run {run} was interrupted, and the row says so.",
    "stop": "{Who} reports that run {run} was stopped, and the row says so.",
    "retry": "{Who} lets the task run again after run {run}: it is pending.",
    "release": "{Who} gives run {run} back: the task is pending, the attempt does not count.",
    "release unknown": "{Who} finds run {run} under its own name, knows nothing of it, and gives"
    " it back.",
    "cancel": "Somebody cancels the task.",
    "delete": "Somebody deletes the task.",
    "ask": "Somebody asks for the end of the run.",
    "crash": "{Who} dies.",
    "suspect": "{Who} is taken for dead, but lives. A reaper moves what it holds, and ends its"
    " row.",
    "reap": "A reaper moves what {who} held, and ends its row.",
    "move": "A reaper moves what {who} held, and does not lock its row.",
    "move suspected": "{Who} is taken for dead, but lives. A reaper moves what it holds, and does"
    " not lock its row.",
    "end": "The reaper ends the row of {who}.",
    "start": "{Who} registers.",
    "replicate": "The standby has received everything.",
    "fail over": "The primary is lost. The standby takes over, without what it had not received:"
    " its row says {status}.",
    "cut off": "The standby is cut off. It has everything so far, and gets nothing more.",
    "forget": "The primary is lost. The standby takes over, and the cluster is on hold. The row"
    " says {status}.",
    "testify": "{Who} tells the new primary what it has started. The row says {status}.",
    "adopt": "Somebody adopts the database. The row says {status}.",
    "confirm": "{Who} sends its begin once more, and hears that run {run} has begun.",
    "read": "{Who} had no answer, reads the row, and finds its run {run} there.",
}
_UNSAFE: Final = " The commit can be seen, but the standby has not received it."


def of_tasks(found: Counterexample[Any, Any]) -> list[str]:
    """What happens to one task."""
    lives = _lives(found)
    dead: set[int] = set()
    told: list[str] = []
    for step, state in zip(found.steps, found.states[1:], strict=True):
        label = _label(step)
        sentence = _late(label, lives) if label.who in dead else _sentence(label, lives)
        told.append(sentence.replace("{status}", _status(state)))
        if label.verb == "crash":
            dead.add(label.who)
    return told


def _late(label: Label, lives: int) -> str:
    """What was sent by one that has died since."""
    if label.verb in ("reap", "move", "end", "dispatch", "take back"):
        return _sentence(label, lives)
    return f"Late, a statement arrives that was sent before that: {_sentence(label, lives)}"


def _status(state: Any) -> str:
    """What the row of a state says, where that is told."""
    return f"`{state.task.status}`" if hasattr(state, "task") else ""


def _label(step: Any) -> Label:
    return step if isinstance(step, Label) else step[1]


def _lives(found: Counterexample[Any, Any]) -> int:
    """How many lives each worker has, by whether any is started anew."""
    return 1 + any(_label(step).verb == "start" for step in found.steps)


def _sentence(label: Label, lives: int) -> str:
    verb, comma, _ = label.verb.partition(", unsafe")
    worker, life = divmod(label.who, lives)
    who = f"worker {worker + 1}" + ("'s new process" if life else "")
    text = _OF_TASKS[verb].format(
        who=who,
        Who=who[0].upper() + who[1:],
        run=label.run + 1,
        no=label.no,
        status="{status}",
    )
    return text + (_UNSAFE if comma else "")


_OF_CREATES: Final[Mapping[str, str]] = {
    "create": "A create takes id {no}.",
    "commit": "The create of id {no} commits.",
    "commit and ring": "The create of id {no} commits, and rings.",
    "listen": "The supervisor begins to listen.",
    "look": "The supervisor looks at the table.",
    "hear of": "The supervisor hears of id {no}.",
    "lie down": "The supervisor lies down.",
}


def of_creates(found: Counterexample[Any, Any]) -> list[str]:
    """How a task is not found."""
    return [_OF_CREATES[label.verb].format(no=label.no) for label in found.steps]


def of_ring(found: Counterexample[Any, Any]) -> list[str]:
    """Who leaves the dead to whom."""
    told: list[str] = []
    for label, state in zip(found.steps, found.states[1:], strict=True):
        match label.verb:
            case "begin with":
                told.append(_conditions(state))
            case "reap":
                told.append(f"Worker {label.who + 1} reaps worker {label.run + 1}.")
    return [*told, f"{found.states[-1].silence} leases pass."]


def _conditions(state: ring.State) -> str:
    conditions = [
        f"worker {no} {ring.CONDITIONS[what]}" for no, what in enumerate(state.workers, start=1)
    ]
    return f"{', '.join(conditions)}.".capitalize()


_OF_CANDIDATES: Final[Mapping[str, str]] = {
    "look": "Candidate {who} looks at the row.",
    "bid": "Candidate {who} bids.",
    "lead": "Candidate {who} leads, and renews its term.",
    "stop": "Candidate {who} is stopped; its connection stays open.",
    "wake": "Candidate {who} goes on.",
    "die": "Candidate {who} dies.",
    "start": "Candidate {who} is started anew.",
    "wait": "{no} hundredths of a lease pass.",
}
_UNHEARD: Final = " It does not hear the answer."


def of_candidates(found: Counterexample[Any, Any]) -> list[str]:
    """Who bids, who leads, who does not."""
    told: list[str] = []
    for label in found.steps:
        verb, unheard, _ = label.verb.partition(", unheard")
        text = _OF_CANDIDATES[verb].format(who=label.who + 1, no=4 * label.no)
        told.append(text + (_UNHEARD if unheard else ""))
    return told
