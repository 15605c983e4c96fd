"""`atelierd systemd` on a root folder of the test's own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atelierd.exits import Exit

Command = Callable[..., Any]

CONFIG = "inbox: /srv/at/inbox\noutbox: /srv/at/outbox\nstate: /var/lib/atelierd\n"

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-sysusers") is None, reason="systemd is not installed"
)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another system's root, with a configuration."""
    # Where these tests run from may be a home folder or /tmp.
    monkeypatch.setattr("sys.prefix", "/opt/atelierd")
    monkeypatch.setattr("sys.base_prefix", "/usr")
    monkeypatch.setattr("sys.executable", "/opt/atelierd/bin/python")
    root = tmp_path / "root"
    config = root / "etc/atelierd/atelierd.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(CONFIG)
    return root


def files(root: Path) -> set[str]:
    """Return what is below the folders that units and their kin lie in."""
    return {
        str(path.relative_to(root / "etc"))
        for path in (root / "etc").rglob("*atelierd*")
        if "systemd" in path.parts or path.parent.suffix == ".d"
        if path.is_symlink() or path.is_file()
    }


def test_installed_everything_lies_there_and_the_daemon_is_enabled(
    command: Command, root: Path
) -> None:
    outcome = command("systemd", "install", "--root", root)
    assert outcome.code == 0, outcome.err
    assert {
        "systemd/system/atelierd.service",
        "systemd/system/atelierd-drain.service",
        "systemd/system/atelierd-drain.timer",
        "systemd/system/multi-user.target.wants/atelierd.service",
        "sysusers.d/atelierd.conf",
        "tmpfiles.d/atelierd.conf",
    } == files(root)
    own = root / "etc/systemd/system/atelierd.service.d/10-machine.conf"
    assert "/opt/atelierd/bin/python -m atelierd run --config /etc/atelierd" in own.read_text()
    assert "atelierd:" in (root / "etc/passwd").read_text(), "its user was made"
    assert (root / "var/lib/atelierd").is_dir()
    link = root / "etc/systemd/system/multi-user.target.wants/atelierd.service"
    assert str(link.readlink()) == "/etc/systemd/system/atelierd.service"


def test_installed_again_it_follows_the_configuration(command: Command, root: Path) -> None:
    config = root / "etc/atelierd/atelierd.yaml"
    drop_in = root / "etc/systemd/system/atelierd.service.d/http.conf"
    config.write_text(CONFIG + "http: {address: '127.0.0.1:8765'}\n")
    command("systemd", "install", "--root", root)
    assert drop_in.exists()
    own = drop_in.with_name("override.conf")
    own.write_text("[Service]\nNice=5\n")
    config.write_text(CONFIG)
    assert command("systemd", "install", "--nights", "--root", root).code == 0
    assert not drop_in.exists()
    wants = root / "etc/systemd/system"
    assert (wants / "timers.target.wants/atelierd-drain.timer").is_symlink()
    assert not (wants / "multi-user.target.wants/atelierd.service").is_symlink()
    assert own.exists(), "what the administrator has changed stays"


def test_uninstalled_nothing_of_it_is_left_but_what_is_the_administrators(
    command: Command, root: Path
) -> None:
    command("systemd", "install", "--root", root)
    own = root / "etc/systemd/system/atelierd.service.d/override.conf"
    own.write_text("[Service]\nNice=5\n")
    outcome = command("systemd", "uninstall", "--root", root)
    assert outcome.code == 0
    assert files(root) == set()
    assert own.exists() and not (root / "etc/systemd/system/atelierd-drain.service.d").exists()
    assert (root / "etc/atelierd/atelierd.yaml").exists()
    assert command("systemd", "uninstall", "--root", root).code == 0, "again, it does no harm"


def test_a_machine_may_have_a_worker_beside_its_daemon(command: Command, root: Path) -> None:
    command("systemd", "install", "--root", root)
    daemon = files(root)
    outcome = command("systemd", "install", "--worker", "tls://host:8786", "--root", root)
    assert outcome.code == 0, outcome.err
    more = {
        "systemd/system/atelierd-worker.service",
        "systemd/system/multi-user.target.wants/atelierd-worker.service",
    }
    assert files(root) == daemon | more
    command("systemd", "install", "--root", root)
    assert files(root) == daemon | more
    command("systemd", "uninstall", "--root", root)
    assert files(root) == set()


def test_a_dry_run_prints_it_and_changes_nothing(command: Command, root: Path) -> None:
    outcome = command("systemd", "install", "--dry-run", "--root", root)
    assert outcome.code == 0
    assert "10-machine.conf" in outcome.out and "CapabilityBoundingSet=" in outcome.out
    assert files(root) == set()
    command("systemd", "install", "--root", root)
    before = files(root)
    outcome = command("systemd", "uninstall", "--dry-run", "--root", root)
    assert str(root / "etc/systemd/system/atelierd.service") in outcome.out
    assert files(root) == before


def test_folders_beside_the_configuration_are_the_other_systems(
    command: Command, root: Path
) -> None:
    (root / "etc/atelierd/atelierd.yaml").write_text(
        "inbox: ../../srv/at/inbox\noutbox: ../../srv/at/outbox\nstate: /var/lib/atelierd\n"
    )
    outcome = command("systemd", "install", "--dry-run", "--root", root)
    assert "ReadWritePaths=-/srv/at/inbox -/srv/at/outbox" in outcome.out, outcome.err


@pytest.mark.parametrize(
    "key",
    [
        "presets: presets",
        "weights: {sources: {vgg16: vgg16.npz}}",
        "cluster: {certificates: certificates}",
        "notify: {webhooks: [{url: 'https://example.org/', secret: {file: secret}}]}",
    ],
)
def test_what_is_read_beside_the_configuration_is_the_other_systems_too(
    command: Command, root: Path, key: str
) -> None:
    """Where that system's root itself lies, in /tmp or at home, does not matter in there."""
    (root / "etc/atelierd/atelierd.yaml").write_text(f"{CONFIG}{key}\n")
    outcome = command("systemd", "install", "--dry-run", "--root", root)
    assert outcome.code == 0, outcome.err


def test_a_wrong_configuration_installs_nothing(command: Command, root: Path) -> None:
    (root / "etc/atelierd/atelierd.yaml").write_text("inbox: 7\n")
    assert command("systemd", "install", "--root", root).code == Exit.CONFIG
    assert files(root) == set()
