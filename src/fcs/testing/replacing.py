"""Something else in the place of a resource."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fcs.client.app import App
from fcs.domain.errors import InvalidInput


@contextmanager
def replace(app: App, annotation: Any, value: object) -> Iterator[None]:
    """Give bodies `value` where their parameter is annotated so, and do not enter the resource.

    Raises `InvalidInput` when the app has no resource for that annotation.
    """
    if annotation not in app.registry.provided:
        raise InvalidInput(
            f"the app has no resource for {annotation}",
            hint="Pass what a resource of the app yields, as its annotation says it.",
        )
    entry = (annotation, value)
    # In front: the latest replacement counts.
    app.registry.replacements.insert(0, entry)
    try:
        yield
    finally:
        app.registry.replacements.remove(entry)
