"""The command line: flags, exit codes, output. Each verb loads what it needs when it runs."""

import sys


def main() -> None:
    """Be the command `fcs`."""
    from fcs.cli.program import run
    from fcs.cli.text import escape_unwritable

    escape_unwritable()
    sys.exit(run(sys.argv[1:]))
