"""How a serving process treats its memory."""

import gc


def settle() -> None:
    """Spare the garbage collector what cannot be garbage: call it once everything is loaded.

    Tasks come and go by the ten thousand, in records without cycles; at Python's default the
    collector would look at them, and at every module, again and again for nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
