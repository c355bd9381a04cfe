"""The example types of the seed: `foo` sleeps, `bar` asks a URL, `baz` draws a number."""

import asyncio
import logging
import os
import urllib.request
from random import SystemRandom

from fcs.client.app import App

log = logging.getLogger(__name__)

app = App()

URL_DEFAULT = "http://127.0.0.1:5000/healthz"
URL_TIMEOUT = 5.0


@app.task
async def foo() -> None:
    """Sleep for three seconds."""
    await asyncio.sleep(3)


@app.task
def bar() -> None:
    """Ask the URL in `FCS_BAR_URL`; no answer within five seconds is a failure."""
    url = os.environ.get("FCS_BAR_URL", URL_DEFAULT)
    with urllib.request.urlopen(url, timeout=URL_TIMEOUT) as answer:
        log.info("bar: url=%s status=%s", url, answer.status)


@app.task
async def baz() -> None:
    """Log a random number from 0 to 343."""
    log.info("baz: number=%d", SystemRandom().randrange(344))
