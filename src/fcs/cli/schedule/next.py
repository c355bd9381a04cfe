"""`fcs schedule next`: when a schedule fires next."""

import click

from fcs.cli.common import Common, common_options


@click.command("next")
@click.argument("name")
@click.option(
    "-n", "count", type=click.IntRange(1, 1_000), default=5, show_default=True, help="How many."
)
@common_options
@click.pass_obj
def command(common: Common, name: str, count: int) -> None:
    """Show when a schedule fires next, by the clocks of its zone."""
    from fcs.cli.database import ask
    from fcs.cli.output import emit
    from fcs.database import backlog, timetable
    from fcs.database.connect import Connection
    from fcs.domain.cron import Rule

    async def look(db: Connection) -> tuple[Rule, list[str]]:
        rule = (await timetable.find(db, name)).definition.rule
        fires = rule.preview(await backlog.now(db), count)
        return rule, [fire.isoformat(" ") for fire in fires]

    rule, fires = ask(common, look)
    document = {"words": rule.in_words(), "fires": [fire.replace(" ", "T") for fire in fires]}
    emit(common, document, lambda: "\n".join([rule.in_words(), *fires]))
