"""Settings: a flag over a variable over the default, and a wrong one is named."""

from pathlib import Path

import pytest
from tests.cli.said import Fcs

from fcs.cli.common import Common
from fcs.cli.settings import database_url, default_data, read_settings
from fcs.domain.errors import InvalidSettings
from fcs.domain.settings import Settings
from fcs.embedded.lock import FolderLock


def test_without_variables_all_is_default() -> None:
    assert read_settings({}) == Settings()


def test_every_setting_has_its_variable() -> None:
    changed = Settings(
        beat_interval=0.5,
        lease=7.5,
        leader_lease=6.5,
        survey_interval=0.25,
        rescan_interval=1.5,
        poll_interval=0.75,
        hint_again_after=2.5,
        take_back_after=20.5,
        aging=30.5,
        window=500,
        forget_workers_after=60.5,
        kill_grace=2.5,
        child_runs_max=50,
        child_growth_mib=64,
        keep_keys=3_600.5,
        keep_succeeded=3_600,
        keep_failed=86_400,
        keep_interrupted=7_200,
        keep_cancelled=0,
    )
    names = Settings.__struct_fields__
    assert all(getattr(changed, name) != getattr(Settings(), name) for name in names)
    environment = {f"FCS_{name.upper()}": str(getattr(changed, name)) for name in names}
    assert read_settings(environment) == changed


@pytest.mark.parametrize("text", ["x", "nan", "-1", "inf", "1e12", "5 s"])
def test_wrong_value_names_its_variable_and_what_would_be_right(text: str) -> None:
    with pytest.raises(InvalidSettings, match=r"FCS_LEASE.*number of seconds") as refusal:
        read_settings({"FCS_LEASE": text})
    assert "5" in refusal.value.hint


def test_a_stretch_of_time_may_be_written_as_people_do() -> None:
    settings = read_settings({"FCS_KEEP_FAILED": "90d", "FCS_LEASE": "7.5s"})
    assert (settings.keep_failed, settings.lease) == (90 * 86_400, 7.5)


def test_whole_number_is_wanted_where_things_are_counted() -> None:
    with pytest.raises(InvalidSettings, match=r"FCS_WINDOW.*whole number"):
        read_settings({"FCS_WINDOW": "1000.5"})


def test_wrong_relation_names_the_variables() -> None:
    with pytest.raises(InvalidSettings, match="lease must be") as refusal:
        read_settings({"FCS_LEASE": "2"})
    assert "FCS_LEASE=2" in refusal.value.hint


def test_empty_variable_is_no_variable() -> None:
    assert read_settings({"FCS_LEASE": ""}) == Settings()


def test_wrong_setting_ends_a_verb_before_it_begins(
    anywhere: Fcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FCS_LEASE", "2")
    monkeypatch.setenv("FCS_DATABASE", "postgres://127.0.0.1:1/x")
    for verb in ("supervise", "work", "status"):
        assert "FCS_LEASE" in anywhere(verb).fails(2)


def test_database_by_order_of_rank(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgres://file\n")
    environment = {
        "FCS_DATABASE": "postgres://fcs",
        "FCS_DATABASE_FILE": str(file),
        "DATABASE_URL": "postgres://common",
    }
    assert database_url(Common(database="postgres://flag"), environment) == "postgres://flag"
    for name, url in [
        ("FCS_DATABASE", "postgres://fcs"),
        ("FCS_DATABASE_FILE", "postgres://file"),
        ("DATABASE_URL", "postgres://common"),
    ]:
        assert database_url(Common(), environment) == url
        del environment[name]
    with pytest.raises(InvalidSettings, match="no database"):
        database_url(Common(), environment)


@pytest.mark.usefixtures("nameless")
def test_without_a_home_there_is_no_up_to_be_found(anywhere: Fcs) -> None:
    assert "no database was named" in anywhere("status").fails(2)


@pytest.mark.usefixtures("nameless")
def test_without_a_home_up_asks_where_to_keep_its_data(anywhere: Fcs) -> None:
    assert "--data" in anywhere("up").fails(2)


@pytest.mark.parametrize("place", ["home", "spare"])
def test_database_of_a_running_up_is_found_wherever_its_data_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("fcs.cli.settings.SPARE_DATA", tmp_path / "spare")
    folder = default_data({}) if place == "home" else tmp_path / "spare"
    folder.mkdir(parents=True)
    lock = FolderLock(folder)
    lock.acquire()
    lock.announce("postgres://up")
    assert database_url(Common(), {}) == "postgres://up"
    lock.release()
    with pytest.raises(InvalidSettings, match="no database"):
        database_url(Common(), {})


@pytest.mark.parametrize("content", [None, "", " \n", b"\xff\xfe"])
def test_file_without_a_url_is_named(tmp_path: Path, content: str | bytes | None) -> None:
    file = tmp_path / "url"
    if isinstance(content, str):
        file.write_text(content)
    elif content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidSettings, match=str(file)):
        database_url(Common(), {"FCS_DATABASE_FILE": str(file)})


@pytest.mark.parametrize(
    ("variable", "value", "option"),
    [
        ("FCS_SLOTS", "0", "--slots"),
        ("FCS_LISTEN", "nowhere", "--listen"),
        ("FCS_ID", "1", "--id"),
        ("FCS_QUEUE", "ok,no/slash", "--queue"),
        ("FCS_APP", "app.py", "--app"),
        ("FCS_DRAIN_TIMEOUT", "long", "--drain-timeout"),
        ("FCS_BEHIND_PROXY", "perhaps", "--behind-proxy"),
    ],
)
def test_wrong_variable_of_an_option_is_named(
    anywhere: Fcs, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, option: str
) -> None:
    monkeypatch.setenv(variable, value)
    said = anywhere("work").fails(2)
    assert variable in said
    assert option in said


def test_flag_beats_its_variable(anywhere: Fcs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FCS_SLOTS", "0")
    assert "no database" in anywhere("work", "--slots", "1").fails(2)
