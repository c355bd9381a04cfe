"""The application whose tasks strangers ask for while fcs is being fuzzed."""

from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from fcs import App

app = App()


@app.task
async def note(anything: Any = None) -> None:
    """Take anything."""


@app.task(queue="photos", priority=7, max_attempts=3, on_interrupt="retry")
async def resize(photo: UUID, width: Annotated[int, Meta(gt=0, le=10_000)] = 800) -> int:
    """Resize a photo."""
    return width if photo.int else 0


@app.task(limit_by="customer", timeout="5s")
async def greet(customer: str) -> str:
    """Say hello."""
    return f"hello, {customer}"


@app.task
def sum_up(numbers: list[float]) -> float:
    """Add numbers up, in a thread."""
    return sum(numbers)
