"""`atelierd doctor DIR` on shares that there really are."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.audit import audit
from tests.faults.flaky import FlakyShare, needs_fuse
from tests.faults.jobs import MIXED, put_pictures
from tests.faults.mounts import small_disk
from tests.faults.yard import Yard
from tests.shares.conftest import MountMaker
from tests.shares.looks import wait_until_done
from tests.shares.people import Person
from tests.shares.programs import needs_samba, needs_sshfs

from atelierd.exits import Exit

Findings = dict[str, tuple[str, str]]


def doctor(folder: Path, *words: str, code: int = Exit.OK) -> Findings:
    """Return level and text by topic, the last of each."""
    command = [sys.executable, "-W", "error", "-m", "atelierd", "doctor", str(folder), "--json"]
    done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=250)
    assert done.returncode == code, done.stdout + done.stderr
    return {one["topic"]: (one["level"], one["text"]) for one in json.loads(done.stdout)}


@pytest.fixture
def folding(tmp_path: Path) -> Iterator[Path]:
    """A folder on which case and composition do not matter."""
    for name in ("source", "folding"):
        (tmp_path / name).mkdir()
    share = FlakyShare(
        tmp_path / "source",
        tmp_path / "folding",
        tmp_path / "orders",
        server="tests.shares.folding_server",
    )
    yield tmp_path / "folding"
    share.unmount()


def test_a_disk_in_memory_is_one_of_this_machine(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 400):
        found = doctor(tmp_path / "disk")
        assert "on tmpfs (atelierd-test), a disk of this machine" in found["folder"][1]
        assert found["rename"][1].startswith("replaces a file in one step")
        assert "two files" in found["names"][1]
        assert found["events"][0] == "ok"
        assert found["settle"][1].startswith("2 s: ")
        assert not list((tmp_path / "disk").iterdir())


def test_a_disk_that_is_full_is_told_and_left_as_it_was(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:
        disk.fill(spare=60)
        found = doctor(tmp_path / "disk", code=Exit.FAILED)
        assert found["free space"][0] == "fail"
        assert found["rename"][0] == "ok"
        disk.free()
        assert not list((tmp_path / "disk").iterdir())


@needs_samba()
def test_the_inbox_of_a_daemon_at_work_is_measured_beside_people_on_samba(
    yard: Yard, person: Person
) -> None:
    put_pictures(yard)
    daemon = yard.start()
    daemon.wait_for("watching")
    person.drop("long.yaml", {**MIXED["long.yaml"], "iterations": 40})
    found = doctor(yard.inbox, "--config", str(yard.config))
    assert "The configuration says 0.05 s" in found["settle"][1]
    assert found["settle"][0] == "warn"
    assert int(found["scan"][1].split(" for ")[1].split()[0]) >= 4
    listing = person.ask('ls "inbox\\*"')
    assert "doctor" not in listing
    person.drop("one.yaml", MIXED["one.yaml"])
    wait_until_done(yard.outbox, daemon, 2)
    assert daemon.terminate() == Exit.OK
    audit(yard)


@needs_sshfs()
def test_an_sshfs_mount_is_known_for_what_it_believes(tmp_path: Path, mounted: MountMaker) -> None:
    (tmp_path / "server").mkdir()
    mounted(tmp_path / "server", tmp_path / "here")
    found = doctor(tmp_path / "here")
    assert "on fuse.sshfs" in found["folder"][1]
    assert found["folder"][1].endswith("shared with other machines")
    assert found["rename"][1].startswith("replaces a file")
    assert "times are kept to 1 s" in found["clock"][1]
    assert "none can come of what other machines do on fuse.sshfs" in found["events"][1]
    level, text = found["attributes"]
    assert level == "warn"
    assert "up to 20 s late" in text
    assert found["settle"][1].startswith("5 s: ")
    assert found["scan_interval"][1].startswith("10 s: ")
    assert not list((tmp_path / "server").iterdir())


@needs_sshfs()
def test_through_the_server_itself_it_is_measured_how_late_changes_are_seen(
    tmp_path: Path, mounted: MountMaker
) -> None:
    (tmp_path / "server").mkdir()
    mounted(tmp_path / "server", tmp_path / "here", "dcache_timeout=3")
    found = doctor(tmp_path / "here", "--through", str(tmp_path / "server"))
    level, text = found["attributes"]
    assert level == "ok"
    assert "a new file in a listing after" in text
    assert "without a file event" in text
    assert not list((tmp_path / "server").iterdir())


@needs_fuse()
def test_a_folder_that_does_not_tell_case_is_found_out(folding: Path) -> None:
    found = doctor(folding)
    level, text = found["names"]
    assert level == "ok"
    assert "A.jpg and a.jpg are one file" in text
    assert "é as one character and as two is one name, and listed decomposed" in text
    assert not list(folding.iterdir())


@needs_fuse()
def test_a_daemon_works_in_a_folder_that_does_not_tell_case(yard: Yard, tmp_path: Path) -> None:
    real = tmp_path / "real"
    yard.share.rename(real)
    yard.share.mkdir()
    share = FlakyShare(real, yard.share, tmp_path / "orders", server="tests.shares.folding_server")
    try:
        put_pictures(yard)
        yard.picture("grün.png", 40, 32, seed=4)
        yard.pictures_put = yard.pictures()
        job = {**MIXED["one.yaml"], "iterations": 2}
        yard.drop("ONE.yaml", {**job, "content": "A.PNG", "style": "Styles/B.png"})
        yard.drop("two.yaml", {**job, "content": "GRÜN.png", "name": "One"})
        assert yard.drain() == Exit.OK
        folders = {path.name.casefold() for path in yard.outbox.iterdir()}
        assert {"one", "one-2"} <= folders
        # A listing has the picture's name with its accents apart; the pages show it all the same.
        report = (yard.outbox / "One-2" / "report.html").read_text()
        assert re.search(r'href="GR(Ü|%C3%9C)N-b\.png', report)
        audit(yard)
    finally:
        yard.end()
        share.unmount()
