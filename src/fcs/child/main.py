"""The life of a child: import the application, shake hands, run one body after the other."""

import argparse
import faulthandler
import io
import sys
from collections.abc import Sequence

from fcs.body.pipe import Ready, Unfit
from fcs.child.bonds import Orphaned, tie_to
from fcs.child.leftovers import end_leftovers
from fcs.child.line import Line
from fcs.child.logs import send_logs
from fcs.child.serve import Bounds, serve
from fcs.domain.errors import FcsError
from fcs.registry import Registry
from fcs.registry.application import load

CLEAN_UP_SECONDS = 1.0


def main(arguments: Sequence[str]) -> int:
    """Serve until the worker closes the line; return the exit code."""
    options = _read(arguments)
    try:
        tie_to(options.parent)
    except Orphaned:
        return 1
    _mind_last_words()
    line = Line(options.line)
    handler = send_logs(line, options.log_level)
    registry = _load(options.app, line)
    if registry is None:
        return 1
    line.send(Ready(registry.names()))
    bounds = Bounds(runs=options.runs_max, growth=options.growth_max)
    serve(registry, line, handler, bounds)
    end_leftovers(seconds=CLEAN_UP_SECONDS)
    return 0


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m fcs.child", description=__doc__)
    parser.add_argument("--app", required=True, help="the application, as module:app")
    parser.add_argument("--line", type=int, required=True, help="descriptor of the line")
    parser.add_argument("--parent", type=int, required=True, help="process id of the worker")
    parser.add_argument("--log-level", type=int, required=True)
    parser.add_argument("--runs-max", type=int, required=True)
    parser.add_argument("--growth-max", type=int, required=True, help="in bytes")
    return parser.parse_args(arguments)


def _mind_last_words() -> None:
    """What a body has printed is to be there although its process was shot."""
    faulthandler.enable()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")


def _load(place: str, line: Line) -> Registry | None:
    try:
        return load(place).registry
    except FcsError as error:
        line.send(Unfit(str(error), error.hint))
        return None
