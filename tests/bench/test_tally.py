"""The tally of bodies, over processes."""

import os
import subprocess
import sys

from bench.tally import open_tally

COUNT = "import sys; from bench.tally import own_count; own_count()[0] = int(sys.argv[1])"


def test_what_several_processes_have_counted_adds_up() -> None:
    with open_tally() as tally:
        assert tally.total() == 0
        for number in (3, 4):
            command = [sys.executable, "-c", COUNT, str(number)]
            subprocess.run(command, check=True, env={**os.environ, **tally.environment})

        assert tally.total() == 7
