"""Reading the body of a request: JSON, of bounded size. How long it may take, the server knows."""

from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from fcs.domain import json
from fcs.domain.errors import InvalidInput, PayloadTooLarge, Problem
from fcs.http.errors import UnsupportedMediaType
from fcs.registry.problems import explain, find_problem, near_match

T = TypeVar("T", bound=msgspec.Struct)

JSON = "application/json"


async def read_json(request: Request, *, bytes_max: int) -> bytes:
    """The bytes of a body that says it is JSON. Never holds more than `bytes_max` of it.

    What still comes after a refusal the server throws away as it arrives.
    """
    headers = request.headers
    _check_type(headers.get("content-type", ""))
    _check_coding(headers.get("content-encoding", "identity"))
    _check_length(headers.get("content-length", ""), bytes_max)

    body = b""
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message["body"]
        if len(body) + len(chunk) > bytes_max:
            raise _too_large(bytes_max)
        body += chunk
        if not message["more_body"]:
            return body


async def read_json_or_nothing(request: Request, *, bytes_max: int) -> bytes:
    """As `read_json`, for requests that need no body: then nothing comes back."""
    headers = request.headers
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return b""
    return await read_json(request, bytes_max=bytes_max)


def decode(body: bytes, kind: type[T]) -> T:
    """The body as a record, or `InvalidInput` that names the wrong field."""
    json.parse(body)
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        problem = find_problem(error)
        known = kind.__struct_fields__
        hint = near_match(problem.pointer[1:], known) or f"Known fields: {', '.join(known)}."
        raise invalid(problem, hint) from None


def invalid(problem: Problem, hint: str) -> InvalidInput:
    return InvalidInput(
        f"The request makes no sense: {explain(problem)}.", hint=hint, problems=[problem]
    )


def _check_type(given: str) -> None:
    if given == JSON:
        return
    media_type, _, rest = given.partition(";")
    charset = rest.strip().lower().replace('"', "")
    if media_type.strip().lower() != JSON or charset not in ("", "charset=utf-8"):
        raise UnsupportedMediaType(
            f"The content type is {given[:100]!r}." if given else "The content type is missing.",
            hint=f"Send the header Content-Type: {JSON}.",
        )


def _check_coding(given: str) -> None:
    if given.lower() != "identity":
        raise UnsupportedMediaType(
            f"The content coding {given[:100]!r} is not understood.",
            hint="Send the body uncompressed.",
        )


def _check_length(given: str, bytes_max: int) -> None:
    # Absent for chunked bodies. More digits than the limit has mean a larger number.
    if given.isdigit() and (len(given) > 18 or int(given) > bytes_max):
        raise _too_large(bytes_max)


def _too_large(bytes_max: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"The body is larger than {bytes_max:,} bytes.",
        hint="Keep large data elsewhere and hand over its address; split long lists of tasks.",
    )
