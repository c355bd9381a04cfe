"""`fcs work`: a worker, and the HTTP door when it is to listen."""

import os
import uuid
from pathlib import Path

import click

from fcs.cli.common import Common, common_options, direct_option
from fcs.cli.kinds import address, app_place, queues, stretch, variables
from fcs.cli.leaving import leave_on_sigterm


@click.command("work")
@click.option(
    "--app",
    "place",
    type=app_place,
    metavar="MODULE:APP",
    envvar="FCS_APP",
    show_envvar=True,
    default="fcs.demo:app",
    show_default=True,
    help="The application whose tasks to run.",
)
@click.option(
    "--listen",
    type=address,
    metavar="HOST:PORT",
    envvar="FCS_LISTEN",
    show_envvar=True,
    help="Answer HTTP there; else not at all.",
)
@click.option(
    "--id",
    type=click.UUID,
    envvar="FCS_ID",
    show_envvar=True,
    help="The worker's id, which no other live worker has; else a new one.",
)
@click.option(
    "--slots",
    type=click.IntRange(1, 10_000),
    envvar="FCS_SLOTS",
    show_envvar=True,
    default=8,
    show_default=True,
    help="How many tasks to run at once.",
)
@click.option(
    "--queue",
    "queues",
    multiple=True,
    callback=queues,
    metavar="NAME",
    envvar="FCS_QUEUE",
    show_envvar=True,
    help="A queue to serve, as often as needed; else every queue.",
)
@click.option(
    "--elect",
    is_flag=True,
    envvar="FCS_ELECT",
    show_envvar=True,
    help="Supervise as well, when this process is elected to.",
)
@click.option(
    "--drain-timeout",
    type=stretch,
    metavar="TIME",
    envvar="FCS_DRAIN_TIMEOUT",
    show_envvar=True,
    default="30s",
    show_default=True,
    help="How long running tasks may take to end when the worker is asked to stop.",
)
@click.option(
    "--child-env",
    multiple=True,
    callback=variables,
    metavar="NAME",
    envvar="FCS_CHILD_ENV",
    show_envvar=True,
    help="A variable that child processes see as well, as often as needed; NAME* for all such.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    envvar="FCS_TOKEN_FILE",
    show_envvar=True,
    help="Bearer tokens, one a line; without one of them HTTP refuses.",
)
@click.option(
    "--behind-proxy",
    is_flag=True,
    envvar="FCS_BEHIND_PROXY",
    show_envvar=True,
    help="A proxy that speaks TLS stands before this worker.",
)
@direct_option
@common_options
@click.pass_obj
def command(
    common: Common,
    place: str,
    listen: tuple[str, int] | None,
    id: uuid.UUID | None,
    slots: int,
    queues: list[str],
    elect: bool,
    drain_timeout: float,
    child_env: list[str],
    token_file: Path | None,
    behind_proxy: bool,
    direct: str | None,
) -> int:
    """Run a worker, which runs tasks and may answer HTTP.

    The first SIGTERM or Ctrl-C lets running tasks end, the second interrupts them.
    """
    leave_on_sigterm()

    from fcs.cli.serving import serve
    from fcs.cli.settings import database_url, read_settings
    from fcs.cli.strangers import warn_of_elsewhere, warn_of_strangers
    from fcs.domain.ids import WorkerId
    from fcs.node.door import DoorOptions
    from fcs.node.ports import take_held
    from fcs.node.work import WorkOptions, work
    from fcs.registry.application import load
    from fcs.worker.runtime import Stop

    url, settings = database_url(common, os.environ), read_settings(os.environ)
    # What the bodies of tasks enqueue goes to the same place.
    os.environ["FCS_DATABASE"] = url
    app = load(place)
    registry = app.registry
    door = listen and DoorOptions(
        host=listen[0],
        port=listen[1],
        token_file=str(token_file) if token_file else None,
        behind_proxy=behind_proxy,
        held=take_held(os.environ),
    )
    options = WorkOptions(
        app=place,
        child_env=child_env,
        id=WorkerId(id or uuid.uuid4()),
        slots=slots,
        queues=queues,
        door=door or None,
        drain_timeout=drain_timeout,
        direct=direct,
        elect=elect,
    )

    async def part(stop: Stop) -> None:
        warn_of_elsewhere(app, url)
        await warn_of_strangers(url, registry, options.queues)
        await work(url, registry, settings, options, stop)

    return serve(common, url, part)
