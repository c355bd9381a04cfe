"""`fcs task …`: the verbs about tasks."""

from fcs.cli.common import give_common_options
from fcs.cli.verbs import Verbs

VERBS = {
    "create": "Create a task and print its id.",
    "run": "Create a task and wait until it has ended.",
    "list": "List tasks, the newest first.",
    "show": "Show one task.",
    "wait": "Wait until a task has ended.",
    "delete": "Delete a task that is not running.",
}

command = Verbs(
    "task",
    package="fcs.cli.task",
    lines=VERBS,
    help="Create tasks, look at them, wait for them.\n\n"
    "An ID may be shortened to what no other task's begins with.",
)
give_common_options(command)
