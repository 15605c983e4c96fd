from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atelierd.errors import ConfigError
from atelierd.exits import Exit
from atelierd.settings import read_settings
from atelierd.share import Role, check_share

Command = Callable[..., Any]


def test_a_share_and_a_configuration_that_names_it_are_made(
    command: Command, tmp_path: Path, home: Path
) -> None:
    outcome = command("init", "share")
    assert outcome.code == 0
    settings = read_settings(tmp_path / "atelierd.yaml")
    assert settings.inbox == tmp_path / "share" / "inbox"
    assert settings.outbox == tmp_path / "share" / "outbox"
    assert settings.state == home / ".local" / "state" / "atelierd"
    inbox = check_share(settings.inbox, Role.INBOX)
    assert check_share(settings.outbox, Role.OUTBOX).share == inbox.share
    assert "atelierd run\n" in outcome.out


def test_again_it_changes_nothing(command: Command, tmp_path: Path) -> None:
    command("init", "share", "--state", "state")
    config = tmp_path / "atelierd.yaml"
    config.write_text(config.read_text() + "# mine\n")
    before = config.read_bytes()
    outcome = command("init", "share")
    assert outcome.code == 0
    assert "as it was" in outcome.out
    assert config.read_bytes() == before


def test_a_configuration_of_another_share_is_kept_and_said_so(
    command: Command, tmp_path: Path
) -> None:
    command("init", "share")
    outcome = command("init", "other")
    assert outcome.code == Exit.CONFIG
    assert "--config" in outcome.err
    assert not (tmp_path / "other").exists()
    assert read_settings(tmp_path / "atelierd.yaml").inbox == tmp_path / "share" / "inbox"


def test_paths_with_any_characters_arrive_in_the_configuration(
    command: Command, tmp_path: Path
) -> None:
    folder = tmp_path / 'a "share": \\ #1 ünï'
    config = tmp_path / "etc" / "mine.yaml"
    outcome = command("init", folder, "--config", config, "--state", tmp_path / "state: x")
    assert outcome.code == 0
    settings = read_settings(config)
    assert settings.inbox == folder / "inbox"
    assert settings.state == tmp_path / "state: x"
    assert f"atelierd run --config {config}" in outcome.out


def test_another_shares_state_folder_is_taken_only_by_its_name(
    command: Command, tmp_path: Path, home: Path
) -> None:
    state = home / ".local" / "state" / "atelierd"
    state.mkdir(parents=True)
    (state / "weights").mkdir()
    assert command("init", "one", "--config", "one.yaml").code == 0, "it holds no queue"
    (state / "ledger.sqlite").touch()
    outcome = command("init", "two", "--config", "two.yaml")
    assert outcome.code == Exit.CONFIG
    assert f"--state {state}" in outcome.err
    assert not (tmp_path / "two").exists()
    assert not (tmp_path / "two.yaml").exists()
    assert command("init", "one", "--config", "one.yaml").code == 0, "it is there already"
    assert command("init", "two", "--config", "two.yaml", "--state", state).code == 0


def test_a_state_folder_on_a_network_is_refused_before_anything_is_made(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise ConfigError("lies on a network file system")

    monkeypatch.setattr("atelierd.ledger.place.refuse_network", refuse)
    assert command("init", "share").code == Exit.CONFIG
    assert not (tmp_path / "share").exists()
    assert not (tmp_path / "atelierd.yaml").exists()


def test_a_state_folder_on_the_share_leaves_no_configuration(
    command: Command, tmp_path: Path
) -> None:
    assert command("init", "share", "--state", "share/inbox/state").code == Exit.CONFIG
    assert not (tmp_path / "atelierd.yaml").exists()
