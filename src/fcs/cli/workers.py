"""`fcs workers`: the workers, those that ended lately included."""

import click

from fcs.cli.common import Common, common_options


@click.command("workers")
@common_options
@click.pass_obj
def command(common: Common) -> None:
    """List the workers, those that ended in the last minutes included."""
    from fcs.cli.database import ask
    from fcs.cli.output import columns, emit
    from fcs.cli.text import cut
    from fcs.database import insights
    from fcs.domain.problems import in_words

    workers = ask(common, insights.list_workers)
    emit(
        common,
        workers,
        lambda: columns(
            ["ID", "STATE", "BUSY", "SLOTS", "HEARD", "WHERE", "LISTEN", "VERSION", "QUEUES",
             "TYPES"],
            [
                (
                    worker.id,
                    worker.state,
                    worker.slots_busy,
                    worker.slots_total,
                    f"{in_words(worker.silent)} ago",
                    f"{worker.host}:{worker.pid}",
                    worker.listen,
                    worker.version,
                    cut(",".join(worker.queues) or "(all)", 40),
                    cut(",".join(worker.types), 60),
                )
                for worker in workers
            ],
        ),
    )  # fmt: skip
