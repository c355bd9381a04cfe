"""No effect without the right: every operation, and every way to show no token."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from proof.fuzz.cases import STRANGER, TASK
from proof.fuzz.report import Report
from proof.fuzz.scene import Scene
from proof.fuzz.wire import TOKEN, Answer, exchange, request

OPEN: Final = {"/healthz"}
UNSAID: Final = ("/", "/docs", "/docs/style.css", "/openapi.json", "/nothing")
"""What the description does not speak of, and is closed all the same."""

IMPOSTORS: Final[Mapping[str, tuple[str, ...]]] = {
    "nothing": (),
    "no token": ("Authorization: Bearer",),
    "an empty token": ("Authorization: Bearer ",),
    "another token": (f"Authorization: Bearer {'x' * 43}",),
    "the token, cut": (f"Authorization: Bearer {TOKEN[:-1]}",),
    "the token, and more": (f"Authorization: Bearer {TOKEN}x",),
    "the token twice": (f"Authorization: Bearer {TOKEN}, Bearer {TOKEN}",),
    "the token in capitals": (f"Authorization: Bearer {TOKEN.upper()}",),
    "the token with a NUL's stand-in": (f"Authorization: Bearer {TOKEN}%00",),
    "the remark of the file": ("Authorization: Bearer # for the fuzz",),
    "the token of another scheme": (f"Authorization: Basic {TOKEN}",),
    "the token alone": (f"Authorization: {TOKEN}",),
    "the token elsewhere": (f"X-Authorization: Bearer {TOKEN}", f"Cookie: token={TOKEN}"),
    "the token for a proxy": (f"Proxy-Authorization: Bearer {TOKEN}",),
    "another method in disguise": ("X-HTTP-Method-Override: GET", "X-Original-URL: /healthz"),
    "another path in disguise": ("X-Rewrite-URL: /healthz", "X-Forwarded-Prefix: /healthz"),
    "somebody at home": (
        "X-Forwarded-For: 127.0.0.1",
        "X-Real-IP: 127.0.0.1",
        "Forwarded: for=127.0.0.1",
    ),
}


def run(scene: Scene, description: Mapping[str, Any]) -> Report:
    """Try every operation as everybody who has no right to it; nothing may have come of it."""
    report = Report("impostors")
    count = (
        "select count(*), count(*) filter (where cancel_requested_at is not null) from fcs.tasks"
    )
    before = scene.cluster.rows(count)
    for method, path in operations(description):
        for who, headers in IMPOSTORS.items():
            report.tried += 1
            body = TASK if method in ("POST", "PUT", "PATCH") else None
            [answer] = exchange(scene.address, request(method, path, body, *headers, token=None))
            report.check(_is_right(path, answer), f"{method} {path} by {who}: {answer.status}")
    for place in ("?token=", "?access_token=", "?authorization=Bearer%20"):
        [answer] = exchange(scene.address, request("GET", f"/tasks{place}{TOKEN}", token=None))
        report.check(answer.status == 401, f"GET /tasks{place}…: {answer.status}")
    report.violations += undocumented(description)
    report.check(scene.cluster.rows(count) == before, "tasks have changed")
    return report


def operations(description: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Method and path of all that there is."""
    for path, item in description["paths"].items():
        for method in item.keys() - {"parameters"}:
            yield method.upper(), path.replace("{id}", STRANGER).replace("{name}", "nightly")
    for path in UNSAID:
        yield "GET", path


def undocumented(description: Mapping[str, Any]) -> Iterator[str]:
    """Operations that may be refused and do not say so."""
    for path, item in description["paths"].items():
        for method, operation in item.items():
            if method == "parameters":
                continue
            expected = {"403"} if path in OPEN else {"401", "403"}
            if missing := expected - operation["responses"].keys():
                yield f"{method.upper()} {path} does not say that it may answer {sorted(missing)}"


def _is_right(path: str, answer: Answer) -> bool:
    if path in OPEN:
        return answer.status == 200
    return answer.status == 401 and answer.header("www-authenticate") == "Bearer"
