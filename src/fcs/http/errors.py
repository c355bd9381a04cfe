"""What can be wrong with a request itself, whoever it is about."""

from fcs.domain.errors import FcsError, InvalidInput


class NoSuchResource(FcsError):
    """There is nothing at that path."""

    code = "not_found"


class MethodNotAllowed(FcsError):
    """The path does not know the method; `allow` lists those it knows."""

    code = "method_not_allowed"

    def __init__(self, message: str, *, allow: str) -> None:
        super().__init__(message, hint=f"Allowed here: {allow}.")
        self.allow = allow


class InvalidQuery(InvalidInput):
    """A query parameter is unknown or has no such value. Its problems name parameters."""


class InvalidHeader(InvalidInput):
    """A header has no such value."""


class UnsupportedMediaType(FcsError):
    """The body is not said to be JSON."""

    code = "unsupported_media_type"


class Forbidden(FcsError):
    """The request comes from a place that has no business here, such as a foreign web page."""

    code = "forbidden"


class Unauthenticated(FcsError):
    """The token is missing or unknown."""

    code = "unauthenticated"


class NotReady(FcsError):
    """Checks of this node fail; `checks` has what each found, where that was asked for."""

    code = "not_ready"

    def __init__(
        self, message: str, *, hint: str = "", checks: dict[str, dict[str, str | bool]]
    ) -> None:
        super().__init__(message, hint=hint)
        self.checks = checks


class ShuttingDown(FcsError):
    """The server ended before the request did."""

    code = "shutting_down"


class InternalError(FcsError):
    """A fault of fcs. What it was stands in the log, beside the request id."""

    code = "internal_error"


class ListenRefused(FcsError):
    """fcs does not listen there, or not so."""

    code = "listen_refused"
