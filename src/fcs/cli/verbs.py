"""Groups of verbs that are loaded when they are asked for, so that `--help` is quick."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module

import click


class Verbs(click.Group):
    """Verbs by name, each with its line of help.

    A verb is the attribute `command` of the module of its name in `package`. Without a verb,
    the group shows its help.
    """

    def __init__(self, name: str, *, package: str, lines: Mapping[str, str], help: str) -> None:
        super().__init__(name, invoke_without_command=True, callback=_help_without_verb, help=help)
        self._package, self._lines = package, lines

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._lines)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._lines:
            return None
        command: click.Command = import_module(f"{self._package}.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self._lines:
            near = get_close_matches(name[:100], list(self._lines), n=1)
            meant = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"No such command {name!r}.{meant}", ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self._lines.items()))


@click.pass_context
def _help_without_verb(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
