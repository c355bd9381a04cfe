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
    from fcs.database import cluster, insights
    from fcs.database.connect import Connection
    from fcs.database.insights import WorkerView
    from fcs.domain.cluster import behind
    from fcs.domain.problems import in_words
    from fcs.domain.topology import Mode

    async def look(db: Connection) -> tuple[list[WorkerView], Mode]:
        return await insights.list_workers(db), (await cluster.show(db)).mode

    workers, mode = ask(common, look)
    late = behind(workers, mode)
    # Worth a column only for as long as not all have taken on the mode of the cluster.
    follows = ["FOLLOWS"] if late else []
    emit(
        common,
        workers,
        lambda: columns(
            ["ID", "STATE", *follows, "BUSY", "SLOTS", "HEARD", "WHERE", "LISTEN", "VERSION",
             "QUEUES", "TYPES"],
            [
                (
                    worker.id,
                    worker.state,
                    *[worker.follows if worker in late else "" for _ in follows],
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
