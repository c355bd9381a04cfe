"""`fcs task …`: the verbs about tasks."""

from fcs.cli.common import give_common_options
from fcs.cli.verbs import Verbs

VERBS = {
    "create": "Create a task and print its id.",
    "run": "Create a task, wait until it has ended, and print its result.",
    "list": "List tasks, the newest first.",
    "show": "Show one task.",
    "wait": "Wait until a task has ended.",
    "attempts": "List the runs of a task.",
    "cancel": "End tasks that have not ended.",
    "retry": "Create ended tasks anew.",
    "delete": "Delete tasks that are not running.",
}

command = Verbs(
    "task",
    package="fcs.cli.task",
    lines=VERBS,
    help="Create tasks, look at them, wait for them.\n\n"
    "An ID may be shortened to what no other task's begins with.",
)
give_common_options(command)
