"""Who hears a signal: the process that it was sent to, and none that it was forked from."""

import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, os, signal, sys, uvloop
from fcs.node.signals import ended_by_signals, stop_on_signals

def forked():
    pid = os.fork()
    if not pid:
        signal.pause()
    return pid

def end(pid, sign):
    os.kill(pid, sign)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

async def until_a_fork_has_ended(sign):
    pid = await asyncio.to_thread(forked) if THREAD else forked()
    print(await asyncio.to_thread(end, pid, sign), flush=True)

async def in_order():
    with ended_by_signals():
        await until_a_fork_has_ended(signal.SIGTERM)
        await until_a_fork_has_ended(signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(600)

async def asked():
    stop = stop_on_signals()
    await until_a_fork_has_ended(signal.SIGTERM)
    await until_a_fork_has_ended(signal.SIGINT)
    assert not stop.drain.is_set()
    os.kill(os.getpid(), signal.SIGTERM)
    await stop.drain.wait()
    sys.exit(143)

with asyncio.Runner(loop_factory=LOOP) as runner:
    runner.run(MAIN())
"""


@pytest.mark.parametrize("main", ["asked", "in_order"])
@pytest.mark.parametrize("loop", ["asyncio.new_event_loop", "uvloop.new_event_loop"])
@pytest.mark.parametrize("thread", ["True", "False"])
def test_a_signal_for_a_fork_is_not_heard_by_its_parent(main: str, loop: str, thread: str) -> None:
    program = PROGRAM.replace("MAIN", main).replace("LOOP", loop).replace("THREAD", thread)
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=60, check=False
    )
    assert answer.stdout.split() == [b"-15", b"-2"], answer.stderr.decode()
    assert answer.returncode == 143, answer.stderr.decode()
