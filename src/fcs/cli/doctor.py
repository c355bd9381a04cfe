"""`fcs doctor`: is this database fit for fcs?"""

import os

import click

from fcs.cli.common import Common, common_options


@click.command("doctor")
@common_options
@click.pass_obj
def command(common: Common) -> int:
    """Check that a database is fit for fcs; each finding says what to do.

    Exits with 0 when all is well, 1 when something is worth a warning, 2 when something is wrong.
    """
    from fcs.cli.database import run_async
    from fcs.cli.examine import examine
    from fcs.cli.findings import Finding, exit_code, judge
    from fcs.cli.output import emit, paint
    from fcs.cli.settings import database_url, read_settings
    from fcs.cli.text import printable
    from fcs.database.connect import describe
    from fcs.domain.errors import DatabaseUnavailable

    url = database_url(common, os.environ)
    try:
        seen = judge(run_async(examine(url, read_settings(os.environ))))
    except DatabaseUnavailable as error:
        findings = [Finding("reachable", "fail", str(error), error.hint)]
    else:
        findings = [Finding("reachable", "ok", describe(url)), *seen]

    colors = {"ok": "green", "warn": "yellow", "fail": "red"}

    def line(finding: Finding) -> str:
        state = paint(common, f"{finding.state:4}", colors[finding.state])
        text = f"{state}  {finding.check:19}  {printable(finding.detail)}"
        return f"{text}\n{'':27}{printable(finding.hint)}" if finding.hint else text

    emit(
        common,
        [finding._asdict() for finding in findings],
        lambda: "\n".join(line(finding) for finding in findings),
    )
    return exit_code(findings)
