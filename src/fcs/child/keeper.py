"""Ends the children of a worker that was killed, together with whatever they have started.

    python -m fcs.child.keeper

The worker says through its input which process groups there are: `+123` for a new one, `-123`
for one that is gone. The end of the input is the end of the worker, whatever it died of. A child
cannot do this for itself: the kernel kills it first, and what it had started would stay.
"""

import os
import signal
import sys


def main() -> None:
    groups: set[int] = set()
    for line in sys.stdin.buffer:
        group = int(line[1:])
        if line.startswith(b"+"):
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except OSError:
            pass  # it has gone by itself


if __name__ == "__main__":
    main()
