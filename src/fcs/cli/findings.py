"""What `fcs doctor` makes of what it saw: no question is asked here."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from fcs.database.insights import Health, Pin
from fcs.database.migrate import POSTGRES_MIN
from fcs.domain.cluster import ClusterView
from fcs.domain.errors import FcsError
from fcs.domain.identity import is_claimable
from fcs.domain.leading_problems import without_leader
from fcs.domain.problems import ClusterProblem, in_words
from fcs.supervisor.elector import MARGIN_SHARE

SPARE_CONNECTIONS = 20
OLD_SNAPSHOT = 60.0
FULL_QUEUE = 0.1
CLOCK_OFFSET = 1.0
OVERRIPE = 2 * 86_400.0

State = Literal["ok", "warn", "fail"]


class Finding(NamedTuple):
    """What one check found; `hint` says what to do, and is empty where all is well."""

    check: str
    state: State
    detail: str
    hint: str = ""


class Facts(NamedTuple):
    """What was seen. Times are in seconds; `local_now` is this machine's clock."""

    settings: Mapping[str, str]
    health: Health
    local_now: datetime
    pin: Pin | None
    schema_error: FcsError | None
    hold: ClusterProblem | None
    """What keeps everything from being handed out and begun."""
    unlogged: list[str]
    is_direct: bool
    ring_seconds: float | None
    """How long a notification took; `None`: it never came."""
    overripe: float | None
    """For how long a final task has been past its time; `None`: there is none that could be."""
    cluster: ClusterView | FcsError | None
    """How the cluster is led, or why that cannot be told; `None`: there is no such table."""
    leader_lease: float
    """For how long a leader started with these settings would renew its lease."""


def judge(facts: Facts) -> list[Finding]:
    """All checks, in the order in which trouble is best looked for."""
    return [
        _version(facts),
        _schema(facts),
        _writable(facts),
        _known(facts),
        *_durable(facts),
        _direct(facts),
        _notifications(facts),
        _notification_queue(facts),
        _connections(facts),
        _snapshot(facts),
        _switch(facts, "autovacuum", "warn", "Dead rows pile up without it: set autovacuum = on."),
        _retention(facts),
        *_leading(facts),
        _clock(facts),
    ]


def exit_code(findings: list[Finding]) -> int:
    """0 when all is well, 1 when something is worth a warning, 2 when something is wrong."""
    states = {finding.state for finding in findings}
    return 2 if "fail" in states else int("warn" in states)


def _version(facts: Facts) -> Finding:
    name = f"Postgres {facts.settings['server_version']}"
    if int(facts.settings["server_version_num"]) < POSTGRES_MIN * 10_000:
        return Finding("version", "fail", name, f"Upgrade it: fcs needs {POSTGRES_MIN} or newer.")
    return Finding("version", "ok", name)


def _schema(facts: Facts) -> Finding:
    if facts.schema_error is None:
        return Finding("schema", "ok", "is that of this fcs")
    return Finding("schema", "fail", str(facts.schema_error), facts.schema_error.hint)


def _writable(facts: Facts) -> Finding:
    if not facts.health.in_recovery:
        return Finding("writable", "ok", "is no standby")
    return Finding(
        "writable",
        "fail",
        "this is a standby, which takes no writes",
        "Name the primary, or all hosts with target_session_attrs=read-write.",
    )


def _known(facts: Facts) -> Finding:
    if facts.hold is None:
        return Finding("known", "ok", "is no copy, and has forgotten nothing")
    return Finding("known", "fail", facts.hold.message, facts.hold.hint)


def _durable(facts: Facts) -> Iterator[Finding]:
    lost = "What was acknowledged may be lost or damaged in a crash: set {} = on."
    for name in ("fsync", "full_page_writes"):
        yield _switch(facts, name, "fail", lost.format(name))

    commit = facts.settings["synchronous_commit"]
    note = "" if commit != "off" else "; fcs turns it on for what it acknowledges"
    yield Finding("synchronous_commit", "ok", f"{commit}{note}")

    standbys = facts.settings["synchronous_standby_names"]
    yield Finding("synchronous standby", "ok", _after_failover(standbys))

    if facts.unlogged:
        yield Finding(
            "logged tables",
            "fail",
            f"a crash would empty {', '.join(facts.unlogged)}",
            f"alter table fcs.{facts.unlogged[0]} set logged",
        )
    else:
        yield Finding("logged tables", "ok", "all")


def _after_failover(standbys: str) -> str:
    if not standbys:
        return "none; a failover may lose what was acknowledged last, and is put on hold"
    if is_claimable(standbys):
        return f"{standbys}; a failover there goes on by itself"
    return f"{standbys}; which of them has everything is not certain: a failover is put on hold"


def _switch(facts: Facts, name: str, otherwise: State, hint: str) -> Finding:
    setting = facts.settings[name]
    return (
        Finding(name, "ok", setting) if setting == "on" else Finding(name, otherwise, setting, hint)
    )


def _direct(facts: Facts) -> Finding:
    if facts.is_direct:
        return Finding("direct", "ok", "no pooler in between")
    return Finding(
        "direct",
        "warn",
        "a pooler stands in between",
        "fcs works through it, and polls where no hints arrive: see --database-direct of work and"
        " supervise.",
    )


def _notifications(facts: Facts) -> Finding:
    if facts.health.in_recovery:
        return Finding("notifications", "fail", "a standby has none", "Name the primary.")
    if facts.ring_seconds is None:
        return Finding(
            "notifications",
            "warn",
            "LISTEN hears nothing",
            "A pooler in transaction mode swallows them: supervisors and workers poll, unless"
            " --database-direct names a way around it.",
        )
    return Finding("notifications", "ok", f"there and back in {facts.ring_seconds * 1e3:.1f} ms")


def _notification_queue(facts: Facts) -> Finding:
    share = facts.health.notification_queue
    if share < FULL_QUEUE:
        return Finding("notification queue", "ok", f"{share:.0%} full")
    return Finding(
        "notification queue",
        "fail" if share > 0.5 else "warn",
        f"{share:.0%} full; when it is full, nothing can be created",
        "A session that listens has been in one transaction for long: find it in"
        " pg_stat_activity and end it.",
    )


def _connections(facts: Facts) -> Finding:
    limit = int(facts.settings["max_connections"])
    reserved = int(facts.settings["superuser_reserved_connections"])
    free = limit - reserved - facts.health.connections
    detail = f"{max(free, 0)} of {limit} free"
    if free >= SPARE_CONNECTIONS:
        return Finding("connections", "ok", detail)
    return Finding(
        "connections",
        "warn" if free > 0 else "fail",
        detail,
        "A worker takes up to 13 (4 without --listen), whoever leads 5: raise max_connections, or"
        " run fewer.",
    )


def _snapshot(facts: Facts) -> Finding:
    pin = facts.pin
    if pin is None or pin.age < OLD_SNAPSHOT:
        return Finding("oldest snapshot", "ok", in_words(pin.age) if pin else "none")
    return Finding(
        "oldest snapshot",
        "warn",
        f"process {pin.pid} ({pin.application_name or 'no name'}) has held one for"
        f" {in_words(pin.age)}; dead rows stay",
        f"If it is forgotten:  select pg_terminate_backend({pin.pid})",
    )


def _retention(facts: Facts) -> Finding:
    if facts.overripe is None or facts.overripe < OVERRIPE:
        return Finding("retention", "ok", "no final task is long past its time")
    return Finding(
        "retention",
        "warn",
        f"final tasks are still there {in_words(facts.overripe)} after their time",
        "A supervisor prunes them, by the FCS_KEEP_… that it was started with: see its log, or"
        " run `fcs prune`.",
    )


def _leading(facts: Facts) -> Iterator[Finding]:
    match facts.cluster:
        case None:
            return
        case FcsError() as error:
            yield Finding("leader", "fail", str(error), error.hint)
        case cluster:
            yield _leader(cluster)
            if cluster.holder:
                yield _leader_lease(cluster.expires_in, facts.leader_lease)


def _leader(cluster: ClusterView) -> Finding:
    problem = without_leader(cluster)
    # A database that nobody has used yet is no worse for that.
    if problem is None or cluster.term == 0:
        return Finding("leader", "ok", cluster.in_short())
    return Finding("leader", "warn", problem.message, problem.hint)


def _leader_lease(left: float, lease: float) -> Finding:
    detail = f"runs for {left:.1f} s more, of {lease:g} s"
    if left > lease + CLOCK_OFFSET:
        return Finding(
            "leader's lease",
            "warn",
            detail,
            "Its FCS_LEADER_LEASE is longer than the one here, or the database's clock was set"
            " back; if it dies, nobody takes its place before that.",
        )
    if left < MARGIN_SHARE * lease:
        return Finding(
            "leader's lease",
            "warn",
            detail,
            "It renews it when it looks at the workers (FCS_SURVEY_INTERVAL), and that takes too"
            " long: see its log.",
        )
    return Finding("leader's lease", "ok", detail)


def _clock(facts: Facts) -> Finding:
    offset = (facts.health.now - facts.local_now).total_seconds()
    detail = f"the database's is {abs(offset):.1f} s {'ahead' if offset > 0 else 'behind'}"
    if abs(offset) < CLOCK_OFFSET:
        return Finding("clock", "ok", detail)
    return Finding(
        "clock",
        "warn",
        detail,
        "Tasks fall due by the database's clock; set the clocks by NTP, or logs mislead.",
    )
