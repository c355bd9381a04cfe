"""A printer: what it writes, what it leaves out, and that it never holds anybody up."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from fcs.cli import printer as module
from fcs.cli.printer import Printer


class Pipe:
    """Its reader reads when a test says so."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    def read_until(self, end: bytes) -> bytes:
        read = b""
        while not read.endswith(end):
            chunk = os.read(self.reader, 65536)
            assert chunk, read[-1000:]
            read += chunk
        return read


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    os.close(pipe.reader)  # first: a writer that still hangs is told that nobody is there
    os.close(pipe.writer)


def left_out(texts: int) -> bytes:
    return b"%d left out\n" % texts


def test_everything_is_written_in_order(pipe: Pipe) -> None:
    printer = Printer(pipe.writer, left_out)
    for number in range(1000):
        printer.put(b"%d\n" % number)
    assert pipe.read_until(b"999\n") == b"".join(b"%d\n" % number for number in range(1000))
    printer.close()


def test_what_nobody_reads_is_left_out_and_counted_once_somebody_does(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BOUND: a pager may be left alone for days."""
    monkeypatch.setattr(module, "WAITING_MAX", 10_000)
    printer, texts = Printer(pipe.writer, left_out), 5000
    for _ in range(texts):
        printer.put(b"x" * 99 + b"\n")
    read = pipe.read_until(b"left out\n")
    assert len(read) < 200_000
    # Each is either there or counted, where it was left out; after that all goes on.
    counts = [int(line.split()[0]) for line in read.splitlines() if line.endswith(b"left out")]
    assert read.count(b"x\n") + sum(counts) == texts
    printer.put(b"and on\n")
    assert pipe.read_until(b"and on\n") == b"and on\n"


def test_one_that_fits_nowhere_does_not_keep_others_out(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_MAX", 10)
    printer = Printer(pipe.writer, left_out)
    printer.put(b"far too long\n")
    assert pipe.read_until(b"left out\n") == b"1 left out\n"
    printer.put(b"short\n")
    assert pipe.read_until(b"short\n") == b"short\n"


def test_a_file_that_does_not_wait_is_waited_for(pipe: Pipe) -> None:
    os.set_blocking(pipe.writer, False)
    printer = Printer(pipe.writer, left_out)
    printer.put(b"x" * 500_000 + b"\n")
    assert len(pipe.read_until(b"\n")) == 500_001


def test_a_reader_that_has_gone_is_no_error() -> None:
    pipe = Pipe()
    os.close(pipe.reader)
    printer = Printer(pipe.writer, left_out)
    printer.put(b"x")
    printer.close()
    os.close(pipe.writer)


def test_at_the_end_what_waits_is_written_if_somebody_reads() -> None:
    done = run("printer.put(b'x' * 1_000_000); printer.close(); print('over', file=sys.stderr)")
    _, err = done.communicate()
    assert err == b"x" * 1_000_000 + b"over\n"
    assert done.returncode == 0


def test_a_process_ends_whose_last_words_nobody_reads() -> None:
    done = run("printer.put(b'x' * 1_000_000); printer.close(); print('over', file=sys.stderr)")
    assert done.wait(60) == 0
    done.communicate()


def run(script: str) -> subprocess.Popen[bytes]:
    opening = "import sys; from fcs.cli.printer import Printer; printer = Printer(2, repr);"
    return subprocess.Popen([sys.executable, "-c", opening + script], stderr=subprocess.PIPE)
