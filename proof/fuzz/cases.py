"""The pack: requests that no well-meaning client sends, and how each is to be answered."""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from proof.fuzz.wire import HUNG_UP, request

LIVE: Final = request("GET", "/healthz")
TASK: Final = b'{"def":{"ty":"note"}}'
BEGUN: Final = b"POST /tasks HTTP/1.1\r\nHost: localhost\r\n"
STRANGER: Final = "01890000-0000-7000-8000-000000000001"


class Case(NamedTuple):
    """`answers` are the statuses in their order, one for each request in `data`; a single one may
    be among `others` instead.

    What only time answers `waits`: until the server has had enough of a client.
    """

    name: str
    data: bytes
    answers: tuple[int, ...]
    waits: bool = False
    others: frozenset[int] = frozenset()

    def is_answered_by(self, statuses: tuple[int, ...]) -> bool:
        return statuses == self.answers or (len(statuses) == 1 and statuses[0] in self.others)


def one(name: str, data: bytes, status: int, *others: int, waits: bool = False) -> Case:
    """A case of one request."""
    return Case(name, data, (status,), waits, frozenset(others))


BODIES: Final[Mapping[str, Sequence[str]]] = {
    "POST": (
        "/tasks",
        "/tasks/batch",
        "/tasks/bulk",
        f"/tasks/{STRANGER}/cancel",
        "/schedules",
        "/schedules/preview",
        "/schedules/nightly/pause",
        "/queues/mail/pause",
    ),
    "PATCH": ("/schedules/nightly", "/queues/mail"),
    "PUT": ("/cluster",),
}
"""Every place that takes a body, by method."""


def places() -> Iterator[tuple[str, str]]:
    """Method and path of every place that takes a body."""
    for method, paths in BODIES.items():
        for path in paths:
            yield method, path


def kinds_of_content() -> Iterator[Case]:
    """Only JSON, and said to be JSON, is read, wherever something is sent."""
    wrong = (
        None,
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json, text/plain",
        "application/json; charset=utf-16",
        "application/json; charset=utf-8; x=y",
        "application/jsonp",
        "application/xml",
        "*/*",
        "json",
        ";application/json",
        "a" * 8_000,
    )
    for method, path in places():
        for kind in wrong:
            shown = repr(kind)[:40]
            data = request(method, path, TASK, kind=kind)
            yield one(f"{method} {path} as {shown}", data, 415)


def coded() -> Iterator[Case]:
    """What is compressed is not unpacked, however little it seems to be."""
    bomb = gzip.compress(b"[" + b" " * 20_000_000 + b"]")
    for coding in ("gzip", "deflate", "br", "zstd", "gzip, gzip", "identity, gzip", "nonsense"):
        for method, path in places():
            name = f"{method} {path} in {coding}"
            yield one(name, request(method, path, bomb, f"Content-Encoding: {coding}"), 415)
    yield one("gzip in secret", request("POST", "/tasks", bomb), 400)


def paths() -> Iterator[Case]:
    """Tricks with paths lead nowhere, with a token or without one."""
    nowhere = (
        "/%2e%2e/tasks", "/../tasks", "/./tasks", "//tasks", "/tasks/", "/tasks//", "/tasks/.",
        "/healthz/../tasks", "/healthz/%2e%2e/tasks", "/healthz%2f..%2ftasks", "/healthz/tasks",
        "/healthz;/tasks", "/healthz%20", "/healthz%00", "/healthz/", "/HEALTHZ", "/Tasks",
        "/tasks%00", "/%00", "/%0d%0aX:%20y", "/tasks%23", "/tasks%3Flimit=1", "/tasks;limit=1",
        "/docs/..%2fstyle.css", "/docs/../openapi.json", "/docs/%2e%2e%2fopenapi.json",
        "/static/../../etc/passwd", "/..%2f..%2f..%2fetc%2fpasswd", "/etc/passwd",
        "/%c0%ae%c0%ae/tasks", "/%e0%80%ae/tasks", "/%uff0e/tasks", "/%ff%fe", "/%zz", "/%",
        "/tasks\\..\\", "/.git/config", "/.env", "/metrics", "/debug", "/" + "x" * 8_000,
        "/" + "%2e%2e/" * 1_000, "/" + "a/" * 4_000,
    )  # fmt: skip
    for path in nowhere:
        yield one(f"nowhere {path[:60]}", request("GET", path), 404)
        yield one(f"no token {path[:60]}", request("GET", path, token=None), 401)
    no_task = (
        "x", "%00", "..%2f", "%2e%2e", "0" * 36, STRANGER[:-1], STRANGER + "0", STRANGER.upper(),
        "{" + STRANGER + "}", "urn:uuid:" + STRANGER, STRANGER.replace("-", ""), "x" * 8_000,
        "%F0%9F%92%A9", "1%20or%201=1", "';drop%20table%20fcs.tasks;--", "%ef%bc%91" * 36,
    )  # fmt: skip
    for id in no_task:
        for method, rest in (("GET", ""), ("DELETE", ""), ("GET", "/why"), ("GET", "/attempts"),
                             ("POST", "/cancel"), ("POST", "/retry")):  # fmt: skip
            name = f"{method} no task {id[:40]}{rest}"
            yield one(name, request(method, f"/tasks/{id}{rest}"), 404)
    yield one("the door by another spelling", request("GET", "/%68ealthz", token=None), 200)
    yield one("8 kB of query", request("GET", "/tasks?x=" + "x" * 8_000), 422)
    yield one("4,000 parameters", request("GET", "/tasks?" + "limit=1&" * 4_000), 422)
    yield one("a URL beyond all bounds", request("GET", "/" + "x" * 40_000), 400)
    yield one("bytes that are no text", b"GET /\xc3\xbc HTTP/1.1\r\nHost: localhost\r\n\r\n", 400)


def heads() -> Iterator[Case]:
    """Heads that are too much, or that two readers would read differently."""
    few = "\r\n".join(["X: y"] * 1_000)
    plain = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
    yield one("1,000 headers", request("GET", "/healthz", None, few), 200)
    yield one("20,000 headers", plain + b"X: y\r\n" * 20_000 + b"\r\n", 400)
    yield one("a header of 40 kB", plain + b"X: " + b"y" * 40_000 + b"\r\n\r\n", 400)
    yield one("a name of 40 kB", plain + b"X" * 40_000 + b": y\r\n\r\n", 400)
    yield one("a header of 30 kB", plain + b"X: " + b"y" * 30_000 + b"\r\n\r\n", 200)
    yield one("a blank before the colon", plain + b"X : y\r\n\r\n", 400)
    yield one("no colon", plain + b"nonsense\r\n\r\n", 400)
    yield one("no name", plain + b": y\r\n\r\n", 400)
    yield one("a NUL in a name", plain + b"X\0: y\r\n\r\n", 400)
    yield one("a NUL in a value", plain + b"X: \0\r\n\r\n", 400)
    yield one("a header that goes on", plain + b"X: y\r\n z\r\n\r\n", 400)
    yield one("a carriage return inside", plain + b"X: y\rZ: z\r\n\r\n", 400)
    yield one("two lengths", _bodied("Content-Length: 2", "Content-Length: 3", body=b"[]"), 400)
    twice = _bodied("Content-Length: 2", "Content-Length: 2", body=b"[]")
    yield one("one length twice", twice, 400)
    yield one("a length below zero", _bodied("Content-Length: -1"), 400)
    yield one("a length with a sign", _bodied("Content-Length: +2", body=b"[]"), 400)
    yield one("a length in hex", _bodied("Content-Length: 0x2", body=b"[]"), 400)
    yield one("a length of 30 digits", _bodied("Content-Length: " + "9" * 30), 400)
    yield one("a length of 18 digits", _bodied("Content-Length: " + "9" * 18), 413)
    yield one("a length and chunks", _bodied("Content-Length: 2", CHUNKED, body=_END), 400)
    yield one("chunks and a length", _bodied(CHUNKED, "Content-Length: 2", body=_END), 400)
    yield one("a coding of its own", _bodied("Transfer-Encoding: xchunked", body=_END), 400)
    yield one("chunks in between", _bodied("Transfer-Encoding: chunked, gzip", body=_END), 400)
    yield one("100 forms of a token", request("GET", "/tasks", None, *_FORMS, token=None), 401)


def _bodied(*headers: str, body: bytes = b"") -> bytes:
    return request("POST", "/tasks", None, "Content-Type: application/json", *headers) + body


CHUNKED: Final = "Transfer-Encoding: chunked"
_END: Final = b"0\r\n\r\n"
_FORMS: Final = [f"Authorization: Bearer {'x' * length}" for length in range(100)]


def lines() -> Iterator[Case]:
    """First lines and protocols that are none of ours."""
    host = b"\r\nHost: localhost\r\n\r\n"
    yield one("HTTP/0.9", b"GET /healthz\r\n\r\n", 403)
    yield one("HTTP/1.0", request("GET", "/tasks?limit=1", version="HTTP/1.0"), 200)
    yield one(
        "HTTP/1.0 without a host", request("GET", "/tasks", version="HTTP/1.0", host=None), 403
    )
    yield one("HTTP/1.1 without a host", request("GET", "/tasks", host=None), 403)
    yield one("HTTP/1.2", b"GET /healthz HTTP/1.2" + host, 400)
    yield one("HTTP/3.0", b"GET /healthz HTTP/3.0" + host, 400)
    yield one("HTTP/9999999999.1", b"GET /healthz HTTP/9999999999.1" + host, 400)
    yield one("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400)
    yield one("a hello of TLS", bytes.fromhex("16030100c8010000c40303") + bytes(200), 400)
    yield one("a hello of SSH", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 400)
    yield one("a query of Postgres", bytes.fromhex("0000000804d2162f") + b"\r\n\r\n", 400)
    yield one("noughts", bytes(4_096), 400)
    yield one("an unknown method", b"CHURRO /tasks HTTP/1.1" + host, 400)
    yield one("a method in small letters", b"get /tasks HTTP/1.1" + host, 400)
    yield one("no method", b" /tasks HTTP/1.1" + host, 400)
    yield one("a tunnel", request("CONNECT", "localhost:80"), 400)
    yield one("an asterisk", request("OPTIONS", "*"), 404)
    yield one("a whole address", request("GET", "http://localhost/healthz"), 200)
    yield one("somebody's address", request("GET", "http://evil.example/tasks"), 200)
    yield one("a fragment", request("GET", "/healthz#/tasks"), 200)
    yield one("a method for others", request("PROPFIND", "/tasks"), 405)
    yield one("an echo", request("TRACE", "/tasks"), 405)
    yield one("a foreign host", request("GET", "/healthz", host="evil.example"), 403)
    yield one("a second host", request("GET", "/healthz", None, "Host: evil.example"), 403)
    yield one("a foreign origin", request("GET", "/tasks", None, "Origin: null"), 403)
    for upgrade in ("websocket", "h2c", "TLS/1.0", "nonsense"):
        asks = ("Connection: Upgrade", f"Upgrade: {upgrade}")
        yield one(f"an upgrade to {upgrade}", request("GET", "/healthz", None, *asks), 200)
        yield one(f"a create and {upgrade}", request("POST", "/tasks", LIVE, *asks), 400)


def streams() -> Iterator[Case]:
    """Several requests in one go, and bodies in pieces."""
    bad = b"NONSENSE\r\n\r\n"
    yield Case("three in one go", LIVE * 3, (200,) * 3)
    yield Case("200 in one go", LIVE * 200, (200,) * 200)
    yield Case("creates in one go", request("POST", "/tasks", TASK) * 50, (201,) * 50)
    yield Case("good, bad and nothing", LIVE + bad + LIVE, (200, HUNG_UP, HUNG_UP))
    offer = request("GET", "/healthz", None, "Connection: Upgrade", "Upgrade: h2c")
    yield Case("upgrades that are not taken", offer * 3 + LIVE, (200,) * 4)
    yield Case("one after the last", request("GET", "/healthz", None, "Connection: close") + LIVE,
               (200, HUNG_UP))  # fmt: skip
    stolen = request("POST", "/healthz", b"GET /tasks HTTP/1.1\r\nX: ", token=None) + LIVE
    yield Case("a request in a body", stolen, (405, 200))
    yield one("chunks", _pieces(b"15\r\n" + TASK + b"\r\n" + _END), 201)
    yield one("one byte a chunk", _pieces(b"".join(b"1\r\n%c\r\n" % b for b in TASK) + _END), 201)
    yield one(
        "chunks with remarks",
        _pieces(b"15;" + b"x" * 10_000 + b"\r\n" + TASK + b"\r\n" + _END),
        201,
    )
    yield one("a chunk of no size", _pieces(b"\r\n" + TASK), 400)
    yield one("a chunk of a wrong size", _pieces(b"xyz\r\n" + TASK), 400)
    yield one("a chunk below zero", _pieces(b"-15\r\n" + TASK), 400)
    yield one("a chunk beyond all bounds", _pieces(b"f" * 30 + b"\r\n"), 400)
    yield one("a chunk that is longer", _pieces(b"5\r\n" + TASK + b"\r\n" + _END), 400)
    yield one("headers that follow", _pieces(b"15\r\n" + TASK + b"\r\n0\r\nX: y\r\n\r\n"), 201)
    late = b"15\r\n" + TASK + b"\r\n0\r\n" + b"X: y\r\n" * 20_000 + b"\r\n"
    yield one("a flood of headers that follow", _pieces(late), 400)
    yield one("100 kB in chunks", _pieces(b"400\r\n" + b" " * 1024 + b"\r\n", times=100), 413)
    yield one("100 kB at once", request("POST", "/tasks", b" " * 100_000), 413)
    yield one("nothing", request("POST", "/tasks", b""), 400)
    yield one("no body", request("POST", "/tasks", None, "Content-Type: application/json"), 400)
    yield one("a body where none belongs", request("GET", "/healthz", TASK), 200)
    asks = ("Expect: 100-continue",)
    yield one("a polite client", request("POST", "/tasks", TASK, *asks), 201)
    yield one("a wrong wish", request("GET", "/healthz", None, "Expect: the-unexpected"), 200)
    yield one("chunks without end", _pieces(b"1\r\n \r\n"), 408, waits=True)
    yield one("a body without end", request("POST", "/tasks", TASK)[:-1], 408, waits=True)
    yield one("a head without end", BEGUN, HUNG_UP, waits=True)
    yield one("not a word", b"", HUNG_UP, waits=True)


def _pieces(body: bytes, *, times: int = 1) -> bytes:
    return _bodied(CHUNKED) + body * times


def all_cases() -> list[Case]:
    """The whole pack, save for what is in bodies."""
    return [*kinds_of_content(), *coded(), *paths(), *heads(), *lines(), *streams()]
