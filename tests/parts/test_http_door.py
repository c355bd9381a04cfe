"""The door: guards, headers, health, documentation, and a problem document for every error."""

import asyncio
import json
import logging
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from tests.parts.conftest import LocalhostIs
from tests.parts.http_service import NOWHERE, Service, assert_problem, is_fine, serving

from fcs.domain.errors import FcsError, InvalidSettings
from fcs.http import Check, Tokens
from fcs.http import protocol as http_protocol
from fcs.http.errors import ListenRefused
from fcs.http.problems import KINDS
from fcs.node.door import bind

TOKEN = "correct-horse-battery-staple"
TASK = {"def": {"ty": "baz"}}


@pytest.fixture(scope="module")
async def service() -> AsyncIterator[Service]:
    """Without a database: nothing here needs one."""
    async with serving(NOWHERE) as service:
        yield service


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/nowhere/at/all", 404, "not_found"),
        ("GET", "/tasks/", 404, "not_found"),
        ("GET", "/%ff%00%0d%0a", 404, "not_found"),
        ("PUT", "/tasks", 405, "method_not_allowed"),
        ("OPTIONS", "/tasks", 405, "method_not_allowed"),
        ("GET", "/tasks/batch", 405, "method_not_allowed"),
        ("POST", "/tasks/x", 405, "method_not_allowed"),
        ("DELETE", "/docs", 405, "method_not_allowed"),
    ],
)
async def test_every_error_is_a_problem_document(
    service: Service, method: str, path: str, status: int, code: str
) -> None:
    answer = await service.client.request(method, path)
    assert_problem(answer, status, code)
    if status == 405:
        assert answer.headers["allow"]


async def test_heads_have_no_body(service: Service) -> None:
    answer = await service.client.head("/healthz")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_answers_carry_their_headers(service: Service) -> None:
    for path in ("/healthz", "/nothing", "/docs", "/openapi.json", "/docs/style.css"):
        headers = (await service.client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


async def test_request_ids_come_back(service: Service) -> None:
    own = await service.client.get("/healthz", headers={"X-Request-Id": "trace-7.a_B"})
    assert own.headers["x-request-id"] == "trace-7.a_B"

    made = [(await service.client.get("/healthz")).headers["x-request-id"] for _ in range(3)]
    assert len(set(made)) == 3


@pytest.mark.parametrize("given", ["a b", "x" * 65, '"><script>', "é"])
async def test_odd_request_ids_are_replaced(service: Service, given: str) -> None:
    sent = {b"X-Request-Id": given.encode("latin-1")}
    answer = await service.client.get("/nothing", headers=sent)
    assert re.fullmatch(r"[0-9a-f]+-[0-9a-f]+", answer.headers["x-request-id"])
    assert_problem(answer, 404, "not_found")


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:80", "127.0.0.1", "127.1.2.3:1", "[::1]:8"]
)
async def test_names_of_loopback_are_welcome(service: Service, host: str) -> None:
    answer = await service.client.get("/healthz", headers={"Host": host})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "10.0.0.1", "[::2]", "localhost:x", "", "a@b"],
)
async def test_other_names_are_not(service: Service, host: str) -> None:
    answer = await service.client.get("/healthz", headers={"Host": host})
    assert_problem(answer, 403, "forbidden")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    ],
)
async def test_foreign_pages_are_refused(service: Service, headers: dict[str, str]) -> None:
    assert_problem(await service.post(TASK, **headers), 403, "forbidden")
    assert_problem(await service.client.get("/tasks", headers=headers), 403, "forbidden")


async def test_a_form_of_a_foreign_page_cannot_navigate_into_a_create(service: Service) -> None:
    link = {
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }
    assert_problem(await service.post(TASK, **link), 403, "forbidden")
    # Following a link to the documentation is no attack.
    assert (await service.client.get("/docs", headers=link)).status_code == 200


async def test_our_own_pages_may_ask(service: Service) -> None:
    own = {"Origin": f"http://{service.host}:{service.port}", "Sec-Fetch-Site": "same-origin"}
    assert (await service.client.get("/openapi.json", headers=own)).status_code == 200


async def test_with_tokens_only_the_health_probe_is_open() -> None:
    async with serving(NOWHERE, tokens=Tokens(f"# ours\n{TOKEN}\n"), check_host=False) as service:
        get = service.client.get
        for path in ("/tasks", "/workers", "/readyz", "/openapi.json", "/docs", "/nothing"):
            answer = await get(path)
            assert_problem(answer, 401, "unauthenticated")
            assert answer.headers["www-authenticate"] == "Bearer"
        assert_problem(await service.post(TASK), 401, "unauthenticated")
        assert (await get("/healthz", headers={"Host": "fcs.example"})).status_code == 200

        for wrong in ("Bearer", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x", TOKEN):
            answer = await get("/docs", headers={"Authorization": wrong})
            assert_problem(answer, 401, "unauthenticated")
        for right in (f"Bearer {TOKEN}", f"bearer  {TOKEN}"):
            answer = await get("/docs", headers={"Authorization": right})
            assert answer.status_code == 200


async def test_alive_asks_nobody_and_ready_asks_the_parts(caplog: pytest.LogCaptureFixture) -> None:
    async def away() -> Check:
        return Check(ok=False, detail="no heartbeat")

    async def breaks() -> Check:
        raise RuntimeError("secret")

    checks = {"database": is_fine, "worker": away, "leader": breaks}
    async with serving(NOWHERE, checks=checks) as service:
        assert (await service.client.get("/healthz")).json() == {"status": "ok"}

        answer = await service.client.get("/readyz")
        assert_problem(answer, 503, "not_ready")
        assert answer.json()["detail"] == "Not ready: worker, leader."
        assert "checks" not in answer.json()

        found = (await service.client.get("/readyz?verbose")).json()["checks"]
        assert found["database"] == {"ok": True, "detail": "fine"}
        assert found["worker"] == {"ok": False, "detail": "no heartbeat"}
        assert found["leader"]["ok"] is False
        assert "secret" not in found["leader"]["detail"]
    assert "secret" in caplog.text


async def test_ready_when_all_parts_are(service: Service) -> None:
    assert (await service.client.get("/readyz")).json() == {"status": "ok"}
    verbose = (await service.client.get("/readyz?verbose")).json()
    assert verbose == {"status": "ok", "checks": {"parts": {"ok": True, "detail": "fine"}}}


async def test_without_a_database_requests_are_told_to_come_again(service: Service) -> None:
    answers = await asyncio.gather(
        service.post(TASK),
        service.client.get("/tasks"),
        service.client.get("/workers"),
        service.client.get("/tasks/205109a7-bcd4-4106-a960-ab45b4c42df8"),
    )
    # Whether the task was created is not known: the hint says how not to create it twice.
    assert "Idempotency-Key" in answers[0].json()["hint"]
    for answer in answers:
        assert_problem(answer, 503, "database_unavailable")
        assert answer.headers["retry-after"] == "1"
        assert "127.0.0.1:1" not in answer.text


@pytest.mark.parametrize("error", [RuntimeError, InvalidSettings])
async def test_a_fault_of_ours_tells_nothing(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: type[Exception],
) -> None:
    def break_down(*_: object, **__: object) -> None:
        raise error("select secret from /src/fcs/x.py")

    monkeypatch.setattr("fcs.http.tasks.read_tasks", break_down)
    with caplog.at_level(logging.ERROR):
        answer = await service.post(TASK)
    assert_problem(answer, 500, "internal_error")
    assert answer.json()["request_id"] in caplog.text
    assert "select secret" in caplog.text


async def test_what_is_not_http_gets_a_problem_too(service: Service) -> None:
    for data in (
        b"NONSENSE\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 40_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\n\r\n",
    ):
        head, _, body = (await service.send_raw(data)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert json.loads(body)["code"] == "bad_request"


async def test_a_websocket_is_not_offered(service: Service) -> None:
    answer = await service.send_raw(
        b"GET /tasks HTTP/1.1\r\nHost: evil.example\r\nConnection: Upgrade, close\r\n"
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket", b"TLS/1.0"])
async def test_who_offers_an_upgrade_that_is_not_taken_goes_on_as_before(
    service: Service, upgrade: bytes
) -> None:
    """As clients do that would rather speak HTTP/2: they ask on with what they speak now."""
    offer = (
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n"
    )
    last = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    async with asyncio.timeout(20):
        answers = await service.send_raw(offer % upgrade + last)
    assert answers.count(b"HTTP/1.1 200 ") == 2


@pytest.mark.parametrize(
    "body",
    [b"Content-Length: %d\r\n\r\n%s", b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"],
)
async def test_a_body_beside_an_offer_of_an_upgrade_is_not_taken_for_a_request(
    service: Service, body: bytes
) -> None:
    hidden = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    offer = b"POST /tasks HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
    answers = await service.send_raw(offer + body % (len(hidden), hidden))
    assert answers.count(b"HTTP/1.1 ") == answers.count(b"HTTP/1.1 400 ") == 1


async def test_what_is_wrong_is_not_the_answer_to_what_came_before_it(service: Service) -> None:
    """That has been carried out: told that it was wrong, its client would send it again."""
    whole = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answers = await service.send_raw(whole * 2 + b"NONSENSE\r\n\r\n" + whole)
    assert answers.count(b"HTTP/1.1 ") == answers.count(b"HTTP/1.1 200 ") == 2


HEAD = b"POST /tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "body", [b"Content-Length: 20\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"]
)
async def test_a_body_that_never_ends_times_out(
    service: Service, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    monkeypatch.setattr(http_protocol, "SECONDS_MAX", 0.1)
    head, _, document = (await service.send_raw(HEAD + body)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(document)["code"] == "request_timeout"


READY = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@asynccontextmanager
async def answering_slowly() -> AsyncIterator[tuple[Service, asyncio.Event, asyncio.Event]]:
    """READY is answered once the second event is set; the first says that it is awaited."""
    asked, answer_now = asyncio.Event(), asyncio.Event()

    async def slow() -> Check:
        asked.set()
        await answer_now.wait()
        return Check(ok=True)

    async with serving(NOWHERE, checks={"slow": slow}) as service, asyncio.timeout(20):
        yield service, asked, answer_now


@pytest.mark.parametrize(
    ("late", "statuses"),
    [
        (HEAD + b"Content-Length: 20\r\n\r\n{", [b"200", b"408"]),
        (READY + HEAD + b"Content-Length: 20\r\n\r\n{", [b"200", b"200", b"408"]),
        (HEAD, [b"200"]),
        (READY + HEAD, [b"200", b"200"]),
    ],
)
async def test_what_comes_late_is_not_the_answer_to_what_came_before_it(
    monkeypatch: pytest.MonkeyPatch, late: bytes, statuses: list[bytes]
) -> None:
    """That is carried out, however long it takes, and each gets its own answer."""
    monkeypatch.setattr(http_protocol, "SECONDS_MAX", 0.1)
    async with answering_slowly() as (service, asked, answer_now):
        answers = asyncio.create_task(service.send_raw(READY + late))
        await asked.wait()
        await asyncio.wait([answers], timeout=0.4)
        answer_now.set()
        assert re.findall(rb"HTTP/1.1 (\d+) ", await answers) == statuses


@pytest.mark.parametrize(
    "wrong",
    [
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nNONSENSE\r\n",
        HEAD + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
async def test_a_wrong_body_is_not_the_answer_to_what_came_before_it(wrong: bytes) -> None:
    async with answering_slowly() as (service, asked, answer_now):
        answers = asyncio.create_task(service.send_raw(READY + wrong + READY))
        await asked.wait()
        answer_now.set()
        assert re.findall(rb"HTTP/1.1 (\d+) ", await answers) == [b"200", b"400"]


async def test_a_body_has_its_time_when_what_came_before_it_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody reads it until then."""
    monkeypatch.setattr(http_protocol, "SECONDS_MAX", 0.1)
    async with answering_slowly() as (service, asked, answer_now):
        reader, writer = await asyncio.open_connection(service.host, service.port)
        # A list of no tasks: it is created without asking the database.
        writer.write(READY + HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\n")
        await asked.wait()
        writer.write(b"[]")
        await asyncio.sleep(0.4)
        monkeypatch.setattr(http_protocol, "SECONDS_MAX", 20)
        answer_now.set()
        assert re.findall(rb"HTTP/1.1 (\d+) ", await reader.read()) == [b"200", b"201"]
        writer.close()


@pytest.mark.parametrize("data", [b"", b"GET /tasks HTTP/1.1\r\nHost: local"])
async def test_a_head_that_never_ends_is_hung_up_on(
    service: Service, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(http_protocol, "SECONDS_MAX", 0.1)
    with suppress(ConnectionError):
        assert await service.send_raw(data) == b""


async def test_a_second_head_that_never_ends_is_hung_up_on(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "SECONDS_MAX", 0.1)
    whole = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    reader, writer = await asyncio.open_connection(service.host, service.port)
    writer.write(whole)
    await reader.readuntil(b'{"status":"ok"}')
    writer.write(whole[:-2])
    async with asyncio.timeout(20):
        assert await reader.read() == b""
    writer.close()


async def test_an_answer_may_take_longer_than_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "SECONDS_MAX", 0.1)

    async def slow() -> Check:
        await asyncio.sleep(0.4)
        return Check(ok=True)

    async with serving(NOWHERE, checks={"slow": slow}) as service:
        assert (await service.client.get("/readyz")).status_code == 200


async def test_an_unread_body_that_never_ends_is_hung_up_on(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "SECONDS_MAX", 0.1)
    reader, writer = await asyncio.open_connection(service.host, service.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert await reader.readuntil(b'{"status":"ok"}')
    with suppress(ConnectionError):
        while not reader.at_eof():
            writer.write(b"1\r\nx\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)
    writer.close()


async def test_an_answer_that_nobody_reads_is_not_kept_for_ever(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BOUND: each such answer stays in memory for as long as its client likes."""
    monkeypatch.setattr(http_protocol, "SECONDS_MAX", 0.1)
    reader, writer = await asyncio.open_connection(service.host, service.port, limit=1)
    # More than fits into the sockets; a little is read, and then nothing more.
    writer.write(b"GET /docs HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500)
    await reader.readexactly(10)
    async with asyncio.timeout(20):
        with suppress(ConnectionError):
            while True:
                writer.write(b"\r\n")
                await writer.drain()
                await asyncio.sleep(0.01)
    writer.close()


async def test_connections_stay_open_between_requests(service: Service) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    reader, writer = await asyncio.open_connection(service.host, service.port)
    writer.write(request * 2)
    for _ in range(2):
        await reader.readuntil(b'{"status":"ok"}')
    writer.write(request)
    await reader.readuntil(b'{"status":"ok"}')
    writer.close()


async def test_a_cancelled_server_lets_requests_end_and_frees_its_port() -> None:
    asked, answer_now = asyncio.Event(), asyncio.Event()

    async def slow() -> Check:
        asked.set()
        await answer_now.wait()
        return Check(ok=True)

    async with serving(NOWHERE, checks={"slow": slow}) as service:
        request = asyncio.create_task(service.client.get("/readyz"))
        await asked.wait()
        service.part.cancel()
        await asyncio.sleep(0)
        answer_now.set()
        assert (await request).status_code == 200
        with pytest.raises(asyncio.CancelledError):
            await service.part

        async with asyncio.timeout(10):
            for listener in await bind(service.host, service.port):
                listener.close()


async def test_signals_are_left_to_the_process(service: Service) -> None:
    import signal

    await service.client.get("/healthz")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("host", "port", "reason"),
    [("192.0.2.1", 0, "192.0.2.1"), ("no-such-host.invalid", 0, "no-such-host.invalid")],
)
async def test_an_address_that_is_not_ours_is_an_error_with_advice(
    host: str, port: int, reason: str
) -> None:
    with pytest.raises(ListenRefused, match=reason) as refusal:
        await bind(host, port)
    assert refusal.value.hint


@asynccontextmanager
async def opened(host: str, port: int) -> AsyncIterator[tuple[str, int]]:
    """Listen there for as long as the block runs."""
    listeners = await bind(host, port)
    try:
        yield listeners[0].getsockname()
    finally:
        for listener in listeners:
            listener.close()


def takes_connections(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port)).close()
    except ConnectionRefusedError:
        return False
    return True


TWO = ("127.0.0.2", "127.0.0.1")
"""As localhost is ::1 and 127.0.0.1, but on machines without IPv6 as well."""


async def test_every_address_of_a_name_is_listened_on(
    localhost_is: LocalhostIs,
) -> None:
    localhost_is(*TWO)
    async with opened("localhost", 0) as (host, port):
        assert host == TWO[0]
        assert [takes_connections(address, port) for address in TWO] == [True, True]
    async with opened("localhost", port) as bound:
        assert bound == (host, port)


async def test_name_with_an_address_that_is_taken_is_refused(
    localhost_is: LocalhostIs,
) -> None:
    localhost_is(*TWO)
    with socket.create_server((TWO[1], 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenRefused, match=f"Port {port} on localhost is taken"):
            async with opened("localhost", port):
                pass
        assert not takes_connections(TWO[0], port)


async def test_address_that_this_machine_lacks_is_left_out(localhost_is: LocalhostIs) -> None:
    localhost_is("192.0.2.1", "127.0.0.1", "192.0.2.2", "127.0.0.1")
    async with opened("localhost", 0) as (host, port):
        assert host == "127.0.0.1"
        assert takes_connections(host, port)


async def test_any_port_is_enough_if_the_first_address_has_it(localhost_is: LocalhostIs) -> None:
    localhost_is("127.0.0.1", "0.0.0.0")  # no two can have one port
    async with opened("localhost", 0) as (host, port):
        assert takes_connections(host, port)
        assert not takes_connections("127.0.0.2", port)


async def test_a_busy_port_is_an_error_with_advice(service: Service) -> None:
    with pytest.raises(FcsError, match=f"Port {service.port} .* is taken") as refusal:
        await bind(service.host, service.port)
    assert "--listen" in refusal.value.hint


async def test_the_description_lists_every_type_with_its_arguments(service: Service) -> None:
    description = (await service.client.get("/openapi.json")).json()
    assert description["openapi"] == "3.1.0"
    schemas = description["components"]["schemas"]
    mapping = schemas["Definition"]["discriminator"]["mapping"]
    assert list(mapping) == ["baz", "greet", "note", "resize", "sturdy"]
    assert [part["$ref"] for part in schemas["Definition"]["oneOf"]] == list(mapping.values())
    assert set(schemas["resize"]["properties"]) == {"ty", "photo", "width"}
    assert schemas["TaskDocument"]["properties"]["created_at"]["format"] == "date-time"
    assert schemas["TaskDocument"]["properties"]["status"]["$ref"]

    refs = re.findall(r'"\$ref":"#/([^"]+)"', (await service.client.get("/openapi.json")).text)
    assert refs
    for ref in refs:
        place = description
        for step in ref.split("/"):
            place = place[step]


async def test_the_description_says_who_may_be_refused(service: Service) -> None:
    description = (await service.client.get("/openapi.json")).json()
    for path, item in description["paths"].items():
        for method, operation in item.items():
            if method == "parameters":
                continue
            answers = operation["responses"].keys()
            assert {"401", "403"} <= answers, (method, path)
            if "requestBody" in operation:
                assert {"400", "408", "413", "415", "422"} <= answers, (method, path)


async def test_the_description_names_paths_and_methods_that_exist(service: Service) -> None:
    description = (await service.client.get("/openapi.json")).json()
    for path, item in description["paths"].items():
        methods = {method.upper() for method in item if method != "parameters"}
        answer = await service.client.request("OPTIONS", path.replace("{id}", "x"))
        assert_problem(answer, 405, "method_not_allowed")
        assert set(answer.headers["allow"].split(", ")) - {"HEAD"} == methods


async def test_the_page_of_documentation_runs_nothing_and_escapes_everything(
    service: Service,
) -> None:
    answer = await service.client.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert "<script" not in answer.text
    assert "style=" not in answer.text
    assert "http:" not in answer.text
    assert "https:" not in answer.text
    assert "&lt;b&gt;width&lt;/b&gt;" in answer.text
    assert "{&quot;def&quot;:{&quot;ty&quot;:&quot;resize&quot;" in answer.text
    for code in KINDS:
        assert f'id="{code}"' in answer.text
    for link in re.findall(r'href="([^"#]+)"', answer.text):
        assert (await service.client.get(f"/{link}")).status_code == 200


async def test_the_page_shows_every_request(service: Service) -> None:
    described = (await service.client.get("/openapi.json")).json()["paths"]
    page = (await service.client.get("/docs")).text

    for path, item in described.items():
        for method in item.keys() & {"get", "post", "put", "patch", "delete"}:
            assert f">{method.upper()} {path}<" in page


async def test_the_page_names_what_each_request_takes(service: Service) -> None:
    page = (await service.client.get("/docs")).text
    [row] = [line for line in page.splitlines() if ">POST /tasks<" in line]
    for name in ("Idempotency-Key", "def", "max_attempts", "delay"):
        assert f"<code>{name}</code>" in row
