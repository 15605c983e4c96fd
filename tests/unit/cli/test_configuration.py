from __future__ import annotations

import re
from pathlib import Path

import pytest

from atelierd.cli.configuration import default_state, find_config, read_config, surroundings
from atelierd.errors import ConfigError
from atelierd.jobs.presets import shipped_config
from atelierd.settings import Settings, read_settings


@pytest.fixture
def folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("inbox: in\noutbox: out\nstate: state\n")
    return path


def test_the_folder_one_is_in_comes_before_ones_home(folder: Path, home: Path) -> None:
    assert find_config(None) is None
    of_home = written(home / ".config" / "atelierd" / "atelierd.yaml")
    assert find_config(None) == of_home
    here = written(folder / "atelierd.yaml")
    assert find_config(None) == here
    assert find_config(Path("other.yaml")) == Path("other.yaml")


def test_a_relative_xdg_folder_is_ignored(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_home = written(home / ".config" / "atelierd" / "atelierd.yaml")
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert find_config(None) == of_home
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "elsewhere"))
    assert default_state() == home / "elsewhere" / "atelierd"


def test_the_state_of_root_is_the_systems(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atelierd.cli.configuration.os.geteuid", lambda: 0)
    assert default_state() == Path("/var/lib/atelierd")


def test_without_a_configuration_it_is_said_where_one_was_looked_for(
    folder: Path, home: Path
) -> None:
    with pytest.raises(ConfigError, match="atelierd init") as caught:
        read_config(None)
    assert str(home / ".config" / "atelierd" / "atelierd.yaml") in str(caught.value)


def test_what_needs_no_daemon_goes_by_the_defaults_or_the_configuration(
    folder: Path, home: Path
) -> None:
    here = surroundings(None)
    assert here.settings is None
    assert here.engine_options.weights_folder == home / ".local" / "state" / "atelierd" / "weights"
    assert here.preset_folders == (shipped_config() / "presets",)
    config = written(folder / "atelierd.yaml")
    config.write_text(config.read_text() + "presets: mine\nwork: {threads: 3}\n")
    here = surroundings(None)
    assert here.engine_options.threads == 3
    assert here.engine_options.weights_folder == folder / "state" / "weights"
    assert here.preset_folders == (folder / "mine", shipped_config() / "presets")


def test_the_shipped_configuration_shows_every_key_with_its_default(tmp_path: Path) -> None:
    text = (shipped_config() / "atelierd.yaml").read_text()
    assert read_settings(shipped_config() / "atelierd.yaml").share == Settings.model_fields[
        "share"
    ].get_default(call_default_factory=True)
    everything = tmp_path / "everything.yaml"
    everything.write_text(re.sub(r"^( *)#(?=\S)", r"\1", text, flags=re.MULTILINE))
    settings = read_settings(everything)
    named = settings.model_dump(exclude_unset=True)
    # Each key is there, in each section.
    assert named.keys() == Settings.model_fields.keys()
    for section in ("share", "work", "schedule", "retention", "weights", "http", "notify"):
        assert named[section].keys() == type(getattr(settings, section)).model_fields.keys()
    (webhook,), email = settings.notify.webhooks, settings.notify.email
    assert webhook.model_fields_set == type(webhook).model_fields.keys()
    assert email is not None and email.model_fields_set == type(email).model_fields.keys()
    # Those that have no value of their own where they are left out are examples.
    examples = {"presets": None, "work": {"threads": None}, "weights": {}}
    defaults = Settings(
        inbox=settings.inbox, outbox=settings.outbox, state=settings.state
    ).model_dump()
    expected = settings.model_dump()
    expected["presets"] = examples["presets"]
    expected["work"]["threads"] = None
    expected["cluster"]["certificates"] = None
    expected["retention"]["keep_days"] = None
    expected["schedule"] |= {"time_zone": None, "windows": {}}
    expected["cluster"]["certificates"] = None
    expected["weights"], expected["http"] = defaults["weights"], defaults["http"]
    expected["notify"] |= {"webhooks": (), "email": None}
    assert expected == defaults
