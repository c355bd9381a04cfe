"""What can go wrong with a private Postgres, and what to do about it."""

from fcs.domain.errors import FcsError


class NoPostgres(FcsError):
    """No usable Postgres binaries were found."""

    code = "no_postgres"


class AlreadyRunning(FcsError):
    """Somebody else holds the data folder; `pid` and `url` say who, as far as is known."""

    code = "already_running"

    def __init__(self, message: str, *, hint: str = "", pid: int | None, url: str | None) -> None:
        super().__init__(message, hint=hint)
        self.pid = pid
        self.url = url


class UnusableFolder(FcsError):
    """The data folder is not ours, or holds what these binaries cannot read."""

    code = "unusable_folder"


class PostgresFailed(FcsError):
    """A Postgres program ended with an error; the message carries its last words."""

    code = "postgres_failed"
