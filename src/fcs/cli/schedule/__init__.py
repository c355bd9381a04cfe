"""`fcs schedule …`: the verbs about schedules."""

from fcs.cli.common import give_common_options
from fcs.cli.verbs import Verbs

VERBS = {
    "list": "List schedules by name.",
    "show": "Show one schedule.",
    "create": "Create a schedule.",
    "pause": "Let a schedule rest.",
    "resume": "Let a paused schedule go on, from now.",
    "run": "Create a task of a schedule now, and print its id.",
    "next": "Show when a schedule fires next.",
    "delete": "Delete a schedule.",
}

command = Verbs(
    "schedule",
    package="fcs.cli.schedule",
    lines=VERBS,
    help="Create tasks again and again, by the rules of cron.\n\n"
    "What code declares by @app.schedule can be paused, resumed and run here, and is changed"
    " there.",
)
give_common_options(command)
