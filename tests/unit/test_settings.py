from __future__ import annotations

import re
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import pytest

from atelierd.clustersettings import scheduler_address
from atelierd.errors import ConfigError
from atelierd.events import Event
from atelierd.settings import Settings, read_settings

FOLDERS = "inbox: /srv/inbox\noutbox: /srv/outbox\nstate: /var/lib/atelierd\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "atelierd.yaml"


def read(config: Path, text: str) -> Settings:
    config.write_text(text)
    return read_settings(config)


def refused(config: Path, text: str) -> str:
    with pytest.raises(ConfigError) as error:
        read(config, text)
    return str(error.value)


def test_three_folders_are_enough(config: Path) -> None:
    settings = read(config, FOLDERS)
    assert settings.inbox == Path("/srv/inbox")
    assert settings.weights_folder == Path("/var/lib/atelierd/weights")
    assert settings.share.settle == timedelta(seconds=2)


def test_the_shipped_configuration_says_the_defaults(config: Path) -> None:
    """Every commented line, made to count, changes nothing but what differs by machine."""
    shipped = (Path(__file__).parents[2] / "config" / "atelierd.yaml").read_text()
    defaults = read(config, shipped)
    told = re.sub(r"^(\s*)#(?=[a-z]|  )", r"\1", shipped, flags=re.MULTILINE)
    lines = [line for line in told.splitlines() if not line.lstrip().startswith("#")]
    skipped = (
        *("presets:", "threads:", "folder:", "sources:", "vgg16:", "weights:", "certificates:"),
        *(
            "webhooks:",
            "secret:",
            "email:",
            "server:",
            "encryption:",
            "port:",
            "user:",
            "password:",
        ),
        *("sender:", "to:", "events:", "http:", "address:", "keep_days:"),
        *("time_zone:", "windows:", "night:", "weekend:"),
    )
    kept = [line for line in lines if not line.lstrip().startswith(skipped)]
    assert "  segment: 2 s" in kept
    assert read(config, "\n".join(kept)) == defaults


def test_the_shipped_example_of_a_schedule_is_sound(config: Path) -> None:
    shipped = (Path(__file__).parents[2] / "config" / "atelierd.yaml").read_text()
    section = re.search(r"^#schedule:\n(  .*\n)+", shipped, flags=re.MULTILINE)
    assert section is not None
    told = re.sub(r"^(\s*)#(?=[a-z]|- )", r"\1", section[0], flags=re.MULTILINE)
    schedule = read(config, FOLDERS + told).schedule
    assert {name: len(hours) for name, hours in schedule.windows.items()} == {
        "night": 1,
        "weekend": 2,
    }


def test_the_shipped_examples_of_receivers_are_sound(config: Path) -> None:
    shipped = (Path(__file__).parents[2] / "config" / "atelierd.yaml").read_text()
    section = re.search(r"^#notify:\n(  .*\n)+", shipped, flags=re.MULTILINE)
    assert section is not None
    told = re.sub(r"^(\s*)#(?=[a-z]|- )", r"\1", section[0], flags=re.MULTILINE)
    notify = read(config, FOLDERS + told).notify
    assert [one.events for one in notify.webhooks] == [(Event.FAILED, Event.OFFLINE, Event.BACK)]
    assert notify.email is not None
    assert notify.email.to == ("anna@example.org",)


WEBHOOK = "notify:\n  webhooks:\n    - url: "
EMAIL = "notify:\n  email: {server: mail.example.org, sender: a@example.org, to: [b@example.org]"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (WEBHOOK + "ftp://example.org/x\n", "line 6, notify > webhooks > item 1 > url"),
        (WEBHOOK + "https:///x\n", "such as https://example.org/hook"),
        (WEBHOOK + "https://[::1/x\n", "such as https://example.org/hook"),
        (WEBHOOK + "https://example.org:99999/\n", "such as https://example.org/hook"),
        (WEBHOOK + "'https://example.org/a b'\n", "such as https://example.org/hook"),
        (WEBHOOK + "https://me:hush@example.org\n", "sign the calls with `secret`"),
        (WEBHOOK + "https://example.org\n      secret: hush\n", "expected the keys file and env"),
        (WEBHOOK + "https://example.org\n      secret: {}\n", "one of `file: PATH` and `env:"),
        (WEBHOOK + "https://example.org\n      secret: {file: a, env: B}\n", "expected one of"),
        (WEBHOOK + "https://example.org\n      events: [don]\n", "did you mean done?"),
        (WEBHOOK + "https://example.org\n      events: []\n", "expected at least 1"),
        ("notify: {webhooks: https://example.org}\n", "a list of webhooks, each with a `url`"),
        ("notify: {webhook: []}\n", "did you mean webhooks?"),
        (EMAIL + ", user: a}\n", "`user` and `password` go together"),
        (EMAIL + ", password: {env: A}}\n", "`user` and `password` go together"),
        (EMAIL + ", user: a, password: {env: A}, encryption: none}\n", "for all to read"),
        (EMAIL + ", encryption: tls}\n", "starttls, ssl or none"),
        (EMAIL + ", port: 70000}\n", "from 1 to 65,535"),
        ("notify: {email: {server: 'a b', sender: x@y, to: [z@y]}}\n", "a mail server's name"),
        ("notify: {email: {server: a, sender: 'x@y\\nBcc: e@f', to: [z@y]}}\n", "a mail address"),
        ("notify: {email: {server: a, sender: x@y, to: z@y}}\n", "a list of mail addresses"),
        ("notify: {email: {server: a, sender: x@y}}\n", "to: missing"),
        ("notify: {offline_after: 2 d}\n", "expected 0 s to 1 d"),
        ("morning_report: 25:00\n", "a time of day from 00:00 to 23:59, or never"),
        ("morning_report: 7\n", "a time of day from 00:00 to 23:59, or never"),
    ],
)
def test_who_is_told_is_checked_in_words(config: Path, text: str, words: str) -> None:
    message = refused(config, FOLDERS + text)
    assert words in message
    assert "hush" not in message.replace("found 'hush'", "")


@pytest.mark.parametrize(
    ("written", "meant"),
    [("07:00", time(7)), ("7:05", time(7, 5)), ("'23:59'", time(23, 59)), ("never", None)],
)
def test_a_time_of_day_is_written_as_people_write_it(
    config: Path, written: str, meant: time | None
) -> None:
    assert read(config, f"{FOLDERS}morning_report: {written}\n").morning_report == meant


def test_files_of_secrets_may_be_relative_to_the_configuration(config: Path) -> None:
    text = FOLDERS + WEBHOOK + "https://example.org\n      secret: {file: keys/hook}\n"
    secret = read(config, text).notify.webhooks[0].secret
    assert secret is not None and secret.file == config.parent / "keys" / "hook"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("500 ms", timedelta(milliseconds=500)),
        ("5 s", timedelta(seconds=5)),
        ("5s", timedelta(seconds=5)),
        ("10 min", timedelta(minutes=10)),
        ("0.5 h", timedelta(minutes=30)),
        ("' 7 s '", timedelta(seconds=7)),
        ("3", timedelta(seconds=3)),
        ("1.5", timedelta(seconds=1.5)),
        (".5 s", timedelta(seconds=0.5)),
    ],
)
def test_durations_are_written_as_people_write_them(
    config: Path, written: str, meant: timedelta
) -> None:
    assert read(config, f"{FOLDERS}share:\n  settle: {written}\n").share.settle == meant


@pytest.mark.parametrize(
    "written", ["5 minutes", "-5 s", "soon", "true", "[5]", ".inf", "''", "5 s s", "5 M"]
)
def test_what_is_no_duration_is_refused_with_line_and_units(config: Path, written: str) -> None:
    message = refused(config, f"{FOLDERS}share:\n  settle: {written}\n")
    assert "line 5" in message and "settle" in message
    assert "ms, s, min, h, d, such as `10 min`" in message


@pytest.mark.parametrize(
    ("key", "written", "expected"),
    [
        ("work:\n  segment", "0 s", "100 ms to 1 min"),
        ("work:\n  segment", "2 h", "100 ms to 1 min"),
        ("work:\n  hang_after", "0 s", "1 s to 7 d"),
        ("share:\n  scan_interval", "0", "100 ms to 1 h"),
        ("share:\n  settle", "3 d", "0 s to 1 h"),
    ],
)
def test_durations_that_the_daemon_could_not_live_with_are_refused(
    config: Path, key: str, written: str, expected: str
) -> None:
    message = refused(config, f"{FOLDERS}{key}: {written}\n")
    assert f"found {written}; expected {expected}" in message and "line 5" in message


@pytest.mark.parametrize("written", ["9" * 30 + " d", "9" * 400])
def test_numbers_beyond_all_bounds_are_refused_in_words(config: Path, written: str) -> None:
    assert "longer than time" in refused(config, f"{FOLDERS}work:\n  keep_inputs: {written}\n")
    assert "no disk has" in refused(config, f"{FOLDERS}share:\n  free_space: {written[:400]}\n"
                                    .replace(" d", " GB"))  # fmt: skip


@pytest.mark.parametrize(
    ("written", "meant"),
    [("500 MB", 500_000_000), ("2 GiB", 2 * 2**30), ("0", 0), ("1.5 kB", 1500), ("7", 7)],
)
def test_amounts_are_written_as_people_write_them(config: Path, written: str, meant: int) -> None:
    assert read(config, f"{FOLDERS}share:\n  free_space: {written}\n").share.free_space == meant


def test_amounts_of_no_known_unit_are_refused(config: Path) -> None:
    assert "kB, MB, GB" in refused(config, f"{FOLDERS}share:\n  free_space: 5 mb\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty; expected at least `inbox: ...`"),
        ("- a\n- b\n", "expected"),
        (FOLDERS + "inbux: /x\n", "did you mean inbox?"),
        (FOLDERS + "work:\n  atempts: 3\n", "line 5"),
        (FOLDERS + "work:\n  attempts: 0\n", "from 1 to 100"),
        (FOLDERS + "work:\n  device: gpu\n", "auto, cpu, cuda or cuda:N"),
        (FOLDERS + "log: xml\n", "auto, text, json or journald"),
        (FOLDERS + "weights:\n  sources:\n    vgg11: x\n", "vgg11"),
        (FOLDERS.replace("state", "# state"), "state: missing"),
        ("inbox: [\n", "line 1"),
        (FOLDERS + "max_renders: many\n", "a whole number"),
        (FOLDERS + "share: 5\n", "line 4"),
    ],
)
def test_errors_name_the_file_the_key_and_what_is_expected(
    config: Path, text: str, words: str
) -> None:
    message = refused(config, text)
    assert words in message and str(config) in message


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read"):
        read_settings(tmp_path / "nowhere.yaml")


def test_folders_are_relative_to_the_file(config: Path) -> None:
    text = "inbox: share/in\noutbox: ../out\nstate: ~/state\npresets: my presets\n"
    text += "weights:\n  folder: nets\n  sources:\n    vgg16: old/vgg.npz\n"
    text += "    vgg19: https://example.org/vgg19.pth\n"
    settings = read(config, text)
    here = config.parent
    assert settings.inbox == here / "share/in"
    assert settings.state == Path.home() / "state"
    assert settings.presets == here / "my presets"
    assert settings.weights_folder == here / "nets"
    assert settings.weights.sources == {
        "vgg16": str(here / "old/vgg.npz"),
        "vgg19": "https://example.org/vgg19.pth",
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"outbox": "inbox/results"}, "outbox lies inside inbox"),
        ({"state": "outbox"}, "lies inside"),
        ({"inbox": "outbox/a/../b/in"}, "inbox lies inside outbox"),
        ({"outbox": "link/results"}, "outbox lies inside inbox"),
    ],
)
def test_folders_inside_each_other_are_refused(
    config: Path, changes: dict[str, Any], words: str
) -> None:
    (config.parent / "inbox").mkdir()
    (config.parent / "link").symlink_to(config.parent / "inbox")
    folders = {"inbox": "inbox", "outbox": "outbox", "state": "state"} | changes
    assert words in refused(config, "".join(f"{key}: {value}\n" for key, value in folders.items()))


def test_settings_made_in_code_need_absolute_folders() -> None:
    with pytest.raises(ValueError, match="expected an absolute path"):
        Settings(inbox=Path("inbox"), outbox=Path("/out"), state=Path("/state"))


def test_beside_each_other_with_like_names_is_fine(config: Path) -> None:
    settings = read(config, "inbox: share/in\noutbox: share/in-results\nstate: share/in.state\n")
    assert settings.outbox.name == "in-results"


def test_renders_stay_on_this_machine_unless_a_scheduler_is_named(config: Path) -> None:
    settings = read(config, FOLDERS)
    assert scheduler_address(settings.executor, settings.cluster) is None


def test_a_scheduler_is_reached_with_tls_and_relative_certificates(config: Path) -> None:
    text = f"{FOLDERS}executor: dask://gpu1:8786\ncluster: {{certificates: certs}}\n"
    settings = read(config, text)
    assert scheduler_address(settings.executor, settings.cluster) == "tls://gpu1:8786"
    assert settings.cluster.certificates == config.parent / "certs"


def test_without_tls_only_in_so_many_words(config: Path) -> None:
    with pytest.raises(ConfigError, match="atelierd cluster init"):
        read(config, f"{FOLDERS}executor: dask://10.0.0.1:8786\n")
    settings = read(config, f"{FOLDERS}executor: dask://[::1]:8786\ncluster: {{insecure: true}}\n")
    assert scheduler_address(settings.executor, settings.cluster) == "tcp://[::1]:8786"


@pytest.mark.parametrize("value", ["dask", "dask://gpu1", "tcp://gpu1:8786", "dask://gpu1:x"])
def test_an_executor_that_is_none_says_what_is_expected(config: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="local or dask://HOST:PORT"):
        read(config, f"{FOLDERS}executor: {value}\n")
