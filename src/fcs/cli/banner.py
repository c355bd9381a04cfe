"""What `fcs up` shows: the lines of all processes in one terminal, and where everything is."""

import os
import shlex
import sys
from collections.abc import Mapping

from fcs.cli.common import Common
from fcs.cli.output import emit
from fcs.node.up import Ready, Talk

_NAME_WIDTH = 9
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"

_TEXT = """
fcs is up: {api}   docs: {api}/docs

  data      {data}
            to delete them, once fcs has stopped:  rm -r {quoted_data}
  database  {database}
            Postgres {postgres}, from {origin}

Try in another terminal:

  curl -X POST {api}/tasks -H 'Content-Type: application/json' -d '{{"def": {{"ty": "{ty}"}}}}'
  curl {api}/tasks
{arguments}
  export FCS_DATABASE={quoted_database}
  {fcs} status

This is for development. In production give your own Postgres to fcs init, fcs supervise and
fcs work with --database. Ctrl-C stops everything and keeps the data.

"""


class Terminal:
    """Talk goes to stderr; what a program wants to know, to stdout, if it asked with -o json."""

    def __init__(self, common: Common) -> None:
        self._common = common
        plain = common.no_color or os.environ.get("NO_COLOR") or not sys.stderr.isatty()
        self._colors = not plain

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """The children write to a pipe; whether colours are seen, only we know."""
        return {**given, "FORCE_COLOR": "1"} if self._colors else dict(given)

    def talk(self) -> Talk:
        return Talk(say=self.say, show=self.show, ready=self.ready)

    def say(self, text: str) -> None:
        self.show("up", text.encode())

    def show(self, name: str, line: bytes) -> None:
        prefix = f"{name:{_NAME_WIDTH}} | "
        if self._colors:
            prefix = f"{_DIM}{prefix}{_PLAIN}"
        self._write(prefix.encode() + line + b"\n")

    def ready(self, found: Ready) -> None:
        if self._common.output != "table":
            document = found._asdict() | {"data": str(found.data), "pid": os.getpid()}
            emit(self._common, document, str)
            sys.stdout.flush()
        elif not self._common.quiet:
            self._write(_describe(found).encode())

    def _write(self, text: bytes) -> None:
        try:
            sys.stderr.buffer.write(text)
            sys.stderr.buffer.flush()
        except OSError:
            pass  # the terminal has gone; that is no reason to take the tasks along


def _describe(found: Ready) -> str:
    ty = "baz" if "baz" in found.types or not found.types else found.types[0]
    return _TEXT.format(
        api=found.api,
        data=found.data,
        quoted_data=shlex.quote(str(found.data)),
        database=found.database,
        quoted_database=shlex.quote(found.database),
        postgres=found.postgres,
        origin=found.postgres_origin,
        ty=ty,
        arguments="" if ty == "baz" else f'  (put its arguments beside "ty": {found.api}/docs)\n',
        fcs=os.environ.get("FCS_COMMAND", "fcs"),
    )
