"""What is written for a machine, and what systemd itself says of it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from atelierd.errors import ConfigError
from atelierd.settings import Settings
from atelierd.units import (
    DAEMON,
    DRAIN,
    SYSUSERS,
    TIMER,
    TMPFILES,
    UNITS,
    WORKER,
    Machine,
    UnitFile,
    known_paths,
    mount_unit,
    shipped_units,
    unit_files,
    word,
    worker_files,
)

ROOT = Path(__file__).parents[2]
LOCAL = "22 1 254:0 / / rw - ext4 /dev/vda rw\n"
CIFS = LOCAL + "30 22 0:40 / /srv/the\\040studio rw - cifs //server/studio rw\n"

#: Copied by hand, as docs/cluster.md says.
SCHEDULER = "atelierd-scheduler.service"

analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def settings(**changed: Any) -> Settings:
    folders = {"inbox": "/srv/at/inbox", "outbox": "/srv/at/outbox", "state": "/var/lib/atelierd"}
    return Settings(**(folders | changed))


def machine(**changed: Any) -> Machine:
    values: dict[str, Any] = {
        "program": (Path("/opt/atelierd/bin/atelierd"),),
        "arguments": (),
        "prefixes": (Path("/opt/atelierd"), Path("/usr")),
        "config": Path("/etc/atelierd/atelierd.yaml"),
        "mountinfo": LOCAL,
    }
    return Machine(**(values | changed))


def lines(files: list[UnitFile], unit: str = DAEMON) -> list[str]:
    """Return what stands in the drop-in of a machine."""
    (own,) = [one for one in files if one.path == UNITS / f"{unit}.d" / "10-machine.conf"]
    return own.text.splitlines()


def drop_ins(files: list[UnitFile]) -> set[str]:
    return {one.path.name for one in files if one.path.parent.name == f"{DAEMON}.d"}


def test_the_units_are_the_shipped_ones_and_the_machine_stands_beside_them() -> None:
    files = unit_files(settings(), machine())
    for name in (DAEMON, DRAIN, TIMER):
        (unit,) = [one for one in files if one.path == UNITS / name]
        assert unit.text == (ROOT / "systemd" / name).read_text()
    start = "ExecStart=/opt/atelierd/bin/atelierd run --config /etc/atelierd/atelierd.yaml"
    assert start in lines(files)
    assert start.replace("run", "run --drain") in lines(files, DRAIN)
    assert "ReadWritePaths=-/srv/at/inbox -/srv/at/outbox" in lines(files)
    assert "RequiresMountsFor=/var/lib/atelierd" in lines(files)
    assert not [line for line in lines(files) if line.startswith(("ProtectHome", "StateDir"))]
    assert {SYSUSERS, TMPFILES} <= {one.path for one in files}


def test_either_the_daemon_or_the_timer_is_enabled() -> None:
    for nights, enabled in ((False, DAEMON), (True, TIMER)):
        (link,) = [one for one in unit_files(settings(), machine(), nights=nights) if one.target]
        assert (link.path.name, link.target) == (enabled, UNITS / enabled)


def test_everything_that_is_written_can_be_found_again() -> None:
    busy = settings(http={"address": "127.0.0.1:8765"}, notify={"webhooks": [{"url": "http://a"}]})
    for nights in (False, True):
        written = {one.path for one in unit_files(busy, machine(), nights=nights)}
        assert written <= set(known_paths())


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, set()),
        ({"http": {"address": "127.0.0.1:8765"}}, {"http.conf"}),
        ({"http": {"address": "[::1]:8765"}}, {"http.conf"}),
        ({"http": {"address": "0.0.0.0:8765"}}, {"http.conf", "network.conf"}),
        ({"notify": {"webhooks": [{"url": "https://example.org/"}]}}, {"network.conf"}),
        (
            {"notify": {"email": {"server": "m", "sender": "a@b.c", "to": ["a@b.c"]}}},
            {"network.conf"},
        ),
        ({"weights": {"sources": {"vgg16": "https://example.org/v"}}}, {"network.conf"}),
        ({"weights": {"sources": {"vgg16": "/srv/vgg16.npz"}}}, set()),
        (
            {"executor": "dask://scheduler:8786", "cluster": {"insecure": True}},
            {"cluster.conf"},
        ),
    ],
)
def test_the_network_is_open_for_what_the_configuration_asks_for(
    changed: dict[str, Any], expected: set[str]
) -> None:
    files = unit_files(settings(**changed), machine())
    assert drop_ins(files) == {"10-machine.conf", *expected}


def test_it_can_be_opened_without_that() -> None:
    assert "network.conf" in drop_ins(unit_files(settings(), machine(), network=True))


def test_a_share_is_waited_for_by_the_daemon_and_not_by_systemd() -> None:
    share = "/srv/the studio"
    files = unit_files(
        settings(inbox=f"{share}/a/inbox", outbox=f"{share}/a/outbox"), machine(mountinfo=CIFS)
    )
    assert "Wants=srv-the\\x20studio.mount" in lines(files)
    assert "After=srv-the\\x20studio.mount" in lines(files)
    assert 'ReadWritePaths="-/srv/the studio"' in lines(files)
    assert not any("studio" in one for one in lines(files) if one.startswith("Requires"))


def test_a_share_that_is_not_mounted_just_now_is_found_in_fstab() -> None:
    fstab = (
        "# //old/studio /srv/at cifs\n\n//server/at /srv/at cifs _netdev 0 0\nUUID=1 none swap\n"
    )
    files = unit_files(settings(), machine(fstab=fstab))
    assert {"Wants=srv-at.mount", "ReadWritePaths=-/srv/at"} <= set(lines(files))


@pytest.mark.parametrize("point", ["/", "/srv"])
def test_of_a_disk_of_the_system_only_the_folders_may_be_written(point: str) -> None:
    mountinfo = LOCAL + f"30 22 254:1 / {point} rw - ext4 /dev/vdb rw\n"
    files = unit_files(settings(), machine(mountinfo=mountinfo))
    assert "ReadWritePaths=-/srv/at/inbox -/srv/at/outbox" in lines(files)


def test_a_state_folder_of_its_own_is_made_and_may_be_written() -> None:
    files = unit_files(settings(state="/data/at", weights={"folder": "/data/vgg"}), machine())
    assert "StateDirectory=" in lines(files)
    assert "ReadWritePaths=-/srv/at/inbox -/srv/at/outbox -/data/at -/data/vgg" in lines(files)
    assert "RequiresMountsFor=/data/at /data/vgg" in lines(files)
    (made,) = [one.text for one in files if one.path == TMPFILES]
    assert "d /data/at 0750 atelierd atelierd\n" in made
    # It may be others' folder: one that is there stays theirs.
    assert "d /data/vgg :0750 :atelierd :atelierd\n" in made


def test_a_state_folder_in_var_lib_is_systemds_to_make() -> None:
    files = unit_files(settings(state="/var/lib/paint/at"), machine())
    assert "StateDirectory=paint/at" in lines(files)
    assert "ReadWritePaths=-/srv/at/inbox -/srv/at/outbox" in lines(files)


def test_of_home_folders_it_sees_its_python_and_its_share() -> None:
    files = unit_files(
        settings(inbox="/home/anna/at/inbox"),
        machine(prefixes=(Path("/home/anna/.local/pipx/venvs/atelierd"), Path("/usr"))),
    )
    assert "ProtectHome=tmpfs" in lines(files)
    assert "BindPaths=-/home/anna/at/inbox" in lines(files)
    assert "BindReadOnlyPaths=-/home/anna/.local/pipx/venvs/atelierd" in lines(files)


@pytest.mark.parametrize(
    ("changed", "own", "said"),
    [
        (
            {},
            {"config": Path("/root/atelierd.yaml")},
            "/root/atelierd.yaml: a service sees no home",
        ),
        ({"presets": "/home/anna/presets"}, {}, "/home/anna/presets: a service sees no home"),
        (
            {"notify": {"webhooks": [{"url": "http://a", "secret": {"file": "/root/key"}}]}},
            {},
            "/root/key: a service sees no home",
        ),
        ({"inbox": "/tmp/inbox"}, {}, "/tmp/inbox: a service has a /tmp of its own"),
        ({}, {"prefixes": (Path("/var/tmp/venv"),)}, "/var/tmp/venv: a service has a /tmp"),
    ],
)
def test_what_no_service_can_reach_is_refused(
    changed: dict[str, Any], own: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        unit_files(settings(**changed), machine(**own))


def test_paths_are_written_so_that_systemd_reads_them_as_they_are() -> None:
    assert word("/srv/plain-1.0_a") == "/srv/plain-1.0_a"
    assert word("/srv/a b", dash=True) == '"-/srv/a b"'
    assert word('/srv/100%/"x"\\') == '"/srv/100%%/\\"x\\"\\\\"'
    assert word("/srv/$HOME", command=True) == "/srv/$$HOME"
    assert word("/srv/Käthe") == '"/srv/Käthe"'


@pytest.mark.skipif(shutil.which("systemd-escape") is None, reason="systemd-escape is missing")
@pytest.mark.parametrize(
    "point", ["/", "/srv/a-b", "/mnt/the studio", "/mnt/.x/ü:1_2.3", "//a//b/"]
)
def test_mount_points_have_the_names_that_systemd_gives_them(point: str) -> None:
    said = subprocess.run(
        ["systemd-escape", "--path", "--suffix=mount", point],
        capture_output=True,
        text=True,
        check=True,
    )
    assert mount_unit(point) == said.stdout.strip()


def written(files: list[UnitFile], folder: Path) -> Path:
    """Write the units where systemd-analyze can look at them, with a program that is there."""
    for one in files:
        if one.path.is_relative_to(UNITS) and one.target is None:
            path = folder / one.path.relative_to(UNITS)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(
                one.text.replace("/opt/atelierd/bin/atelierd", shutil.which("true") or "")
            )
    return folder


def exposure(unit: Path) -> float:
    """Return what systemd-analyze says of a unit with the drop-ins beside it."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    return float(found[1])


def complaints(folder: Path, *units: str) -> tuple[int, list[str]]:
    """Return the exit status of systemd-analyze, and what it says about units of ours."""
    done = subprocess.run(
        ["systemd-analyze", "verify", *(str(folder / name) for name in units)],
        capture_output=True,
        text=True,
        check=False,
    )
    said = (done.stdout + done.stderr).splitlines()
    return done.returncode, [line for line in said if "atelierd" in line]


@analyze
@pytest.mark.parametrize("unit", [DAEMON, DRAIN])
@pytest.mark.parametrize(
    ("drop_in", "most"),
    [(None, 1.0), ("http.conf", 2.0), ("network.conf", 2.0), ("cluster.conf", 2.0)],
)
def test_systemd_finds_little_exposed(
    tmp_path: Path, unit: str, drop_in: str | None, most: float
) -> None:
    folder = written(unit_files(settings(), machine()), tmp_path)
    closed = exposure(folder / unit)
    assert closed <= 1.0
    if drop_in is not None:
        (folder / f"{unit}.d" / drop_in).write_text((shipped_units() / drop_in).read_text())
        opened = exposure(folder / unit)
        assert closed < opened <= most, "the drop-in was read, and opens little"


def test_a_worker_needs_a_scheduler_and_no_configuration() -> None:
    files = worker_files("tls://host:8786", Path("/etc/atelierd/certificates"), machine())
    assert (
        "ExecStart=/opt/atelierd/bin/atelierd worker --scheduler tls://host:8786 "
        "--certificates /etc/atelierd/certificates --folder /var/lib/atelierd/workers/%H "
        "$ATELIERD_WORKER_OPTIONS"
    ) in lines(files, WORKER)
    assert [one.path.name for one in files if one.target] == [WORKER]
    assert {one.path for one in files} <= set(known_paths())
    with pytest.raises(ConfigError, match="/root/certificates: a service sees no home"):
        worker_files("tls://host:8786", Path("/root/certificates"), machine())


@analyze
def test_systemd_finds_little_exposed_by_a_worker_and_nothing_to_complain_of(
    tmp_path: Path,
) -> None:
    files = worker_files("tls://host:8786", Path("/etc/atelierd/certificates"), machine())
    folder = written(files, tmp_path)
    assert exposure(folder / WORKER) <= 2.0
    assert complaints(folder, WORKER) == (0, [])


@analyze
def test_systemd_finds_little_exposed_by_a_scheduler_and_nothing_to_complain_of(
    tmp_path: Path,
) -> None:
    shipped = UnitFile(UNITS / SCHEDULER, (shipped_units() / SCHEDULER).read_text())
    folder = written([shipped], tmp_path)
    assert exposure(folder / SCHEDULER) <= 2.0
    assert complaints(folder, SCHEDULER) == (0, [])


@analyze
@pytest.mark.parametrize("network", [False, True])
def test_systemd_finds_nothing_to_complain_of(tmp_path: Path, network: bool) -> None:
    files = unit_files(
        settings(http={"address": "127.0.0.1:8765"}, inbox="/home/a b/inbox"),
        machine(mountinfo=CIFS),
        network=network,
    )
    folder = written(files, tmp_path)
    assert complaints(folder, DAEMON, DRAIN, TIMER) == (0, [])


def test_what_is_open_says_why() -> None:
    for name in (DAEMON, DRAIN):
        text = (shipped_units() / name).read_text()
        for directive in (
            *("MemoryDenyWriteExecute=no", "PrivateDevices=no", "ProcSubset=all"),
            *("RestrictSUIDSGID=no", "UMask=0022"),
        ):
            assert re.search(rf"^# .*\n{re.escape(directive)}$", text, re.MULTILINE), directive


def test_daemon_and_drain_are_hardened_alike() -> None:
    hardened = [
        (shipped_units() / name)
        .read_text()
        .partition("# Nothing but the work")[2]
        .split("[Install]")[0]
        for name in (DAEMON, DRAIN)
    ]
    assert hardened[0].strip() == hardened[1].strip() != ""
