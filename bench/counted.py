"""The application of measures that count bodies while they run."""

from bench.tally import own_count
from fcs import App

app = App()
_count = own_count()


@app.task
async def noop() -> None:
    """Do nothing but be counted."""
    _count[0] += 1
