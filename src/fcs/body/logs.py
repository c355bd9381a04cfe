"""What bodies log by the standard `logging` goes into the journals of their runs as well."""

import logging

from fcs.body.context import CURRENT


class JournalHandler(logging.Handler):
    """Hands each record to the journal of the run that logs it, if there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("{asctime} {levelname} {name}: {message}", style="{"))

    def emit(self, record: logging.LogRecord) -> None:
        context = CURRENT.get(None)
        if context is None:
            return
        try:
            context.keep(self.format(record))
        except Exception:  # noqa: BLE001 - a log line is not worth a body
            context.keep("(a log record that cannot be shown)")


def keep_journals() -> None:
    """From now on, what bodies log is kept; once for a process."""
    root = logging.getLogger()
    if not any(isinstance(handler, JournalHandler) for handler in root.handlers):
        root.addHandler(JournalHandler())
