"""`fcs queue …`: the verbs about queues."""

from fcs.cli.common import give_common_options
from fcs.cli.verbs import Verbs

VERBS = {
    "list": "List the queues.",
    "show": "Show one queue.",
    "pause": "Hand out no more tasks of a queue.",
    "resume": "Hand out the tasks of a queue again.",
    "set": "Change the limits of a queue.",
}

command = Verbs(
    "queue",
    package="fcs.cli.queue",
    lines=VERBS,
    help="Look at queues, pause and limit them. Every name is a queue.",
)
give_common_options(command)
