"""`fcs mode`: who hands out the tasks of the cluster, shown and changed."""

import click

from fcs.cli.common import Common, common_options


@click.command("mode")
@click.argument("mode", required=False, type=click.Choice(["dedicated", "elected", "hash"]))
@click.option(
    "--strategy",
    type=click.Choice(["random", "least_loaded", "sticky"]),
    help="By which of the workers with a free slot the leader chooses one.",
)
@common_options
@click.pass_obj
def command(common: Common, mode: str | None, strategy: str | None) -> None:
    """Show who hands out the tasks of the cluster, or change it while everything runs.

    \b
    dedicated  one of the processes of `fcs supervise` leads, the others stand by
    elected    workers that were started with --elect may lead as well
    hash       nobody leads, and workers hand out to themselves; limits of queues
               could not be kept then, and are refused
    """
    from fcs.cli.database import ask
    from fcs.cli.leading import show, tell, warn
    from fcs.cli.output import emit
    from fcs.database import topology
    from fcs.database.connect import Connection
    from fcs.database.topology import Change, ClusterReport
    from fcs.domain.strategy import Strategy
    from fcs.domain.topology import Mode

    async def change(db: Connection) -> tuple[Change, ClusterReport]:
        changed = await topology.change(
            db,
            mode=Mode(mode) if mode else None,
            strategy=Strategy(strategy) if strategy else None,
        )
        return changed, await topology.look(db)

    if mode or strategy:
        changed, report = ask(common, change)
        emit(common, report, lambda: tell(changed))
        warn(common, report)
    else:
        report = ask(common, topology.look)
        emit(common, report, lambda: show(common, report))
