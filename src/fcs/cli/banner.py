"""What `fcs up` shows: the lines of all processes in one terminal, and where everything is."""

import os
import shlex
import sys
from collections.abc import Mapping

from fcs.cli.common import Common
from fcs.cli.output import as_json
from fcs.cli.printer import Printer
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
        self._err = Printer(sys.stderr.fileno(), self._left_out)
        self._out: Printer | None = None

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """The children write to a pipe; whether colours are seen, only we know."""
        return {**given, "FORCE_COLOR": "1"} if self._colors else dict(given)

    def talk(self) -> Talk:
        return Talk(say=self.say, show=self.show, ready=self.ready)

    def say(self, text: str) -> None:
        self.show("up", text.encode())

    def show(self, name: str, line: bytes) -> None:
        self._err.put(self._line(name, line))

    def ready(self, found: Ready) -> None:
        if self._common.output != "table":
            document = found._asdict() | {"data": str(found.data), "pid": os.getpid()}
            self._out = Printer(sys.stdout.fileno(), self._left_out)
            for text in as_json(self._common, document):
                self._out.put(f"{text}\n".encode())
        elif not self._common.quiet:
            self._err.put(_describe(found).encode())

    def close(self) -> None:
        """Write what waits to be written, if somebody reads it."""
        self._err.close()
        if self._out is not None:
            self._out.close()

    def _line(self, name: str, line: bytes) -> bytes:
        prefix = f"{name:{_NAME_WIDTH}} | "
        if self._colors:
            prefix = f"{_DIM}{prefix}{_PLAIN}"
        return prefix.encode() + line + b"\n"

    def _left_out(self, lines: int) -> bytes:
        return self._line("up", f"{lines} lines were left out here: nobody read them".encode())


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
