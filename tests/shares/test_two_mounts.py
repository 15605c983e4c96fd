"""Two people at once, one with a slow mount of the share and one with a fast one."""

from __future__ import annotations

import shutil
import threading
from contextlib import ExitStack
from pathlib import Path

import yaml
from tests.faults.audit import audit
from tests.faults.jobs import MIXED, put_pictures
from tests.faults.yard import Yard
from tests.shares.conftest import LineMaker, MountMaker
from tests.shares.looks import size, wait_until_done, wait_until_seen
from tests.shares.people import Person
from tests.shares.programs import needs_samba, needs_sshfs
from tests.shares.sshfs import SshServer

from atelierd.exits import Exit

pytestmark = [needs_samba(), needs_sshfs()]

JOB = {**MIXED["one.yaml"], "iterations": 2}


def test_who_drops_through_a_slow_mount_and_who_through_a_fast_one_both_get_all_of_it(
    yard: Yard,
    person: Person,
    ssh: SshServer,
    mounted: MountMaker,
    line: LineMaker,
    endings: ExitStack,
    tmp_path: Path,
) -> None:
    yard.configure(share={"settle": "3 s"})
    put_pictures(yard)
    slow = line(ssh.port)
    mount = mounted(yard.share, tmp_path / "slow", port=slow.port).point / "inbox"
    daemon = yard.start()
    daemon.wait_for("watching")
    slow.become(bytes_a_second=60_000, delay=0.01)
    data = person.noise(500, seed=11)
    theirs = yaml.safe_dump({**JOB, "content": "slow.png"}).encode()

    def drop_slowly() -> None:
        # As a file browser does: the files in turn, each under its own name at once.
        shutil.copyfile(person.file(data), mount / "slow.png")
        shutil.copyfile(person.file(theirs), mount / "slow.yaml")

    slowly = threading.Thread(target=drop_slowly)
    slowly.start()
    endings.callback(slowly.join)
    # Meanwhile, through the fast one: a job of one's own, and one that names the slow picture.
    person.folder("ben")
    person.picture("fast.png", 40, 32, seed=12)
    person.drop("fast.yaml", {**JOB, "content": "fast.png"})
    person.drop("ben/night.yaml", {**JOB, "content": ["slow.png", "fast.png"]})
    wait_until_seen(yard.outbox, daemon, "night.yaml")
    daemon.wait_until(lambda: size(yard.inbox / "slow.png") > 0, "the slow picture to begin")
    wait_until_done(yard.outbox, daemon, 1)
    slow.become()
    slowly.join()
    yard.dropped.append(("slow.yaml", theirs))
    person.expect_picture("slow.png")
    assert (yard.inbox / "slow.png").read_bytes() == data
    wait_until_done(yard.outbox, daemon, 3)
    assert daemon.terminate() == Exit.OK
    audit(yard)


def test_the_daemon_behind_the_slow_mount_takes_what_comes_through_the_fast_one_whole(
    yard: Yard,
    real: Path,
    person_on_server: Person,
    ssh: SshServer,
    mounted: MountMaker,
    line: LineMaker,
) -> None:
    slow = line(ssh.port)
    mounted(real, yard.share, "dcache_timeout=1", port=slow.port)
    yard.configure(share={"settle": "3 s"})
    put_pictures(yard)
    daemon = yard.start()
    daemon.wait_for("watching")
    slow.become(bytes_a_second=400_000, delay=0.002)
    person = person_on_server
    data = person.noise(300, seed=13)
    person.put("big.png", data[: len(data) // 2])
    person.drop("big.yaml", {**JOB, "content": "big.png"})
    wait_until_seen(real / "outbox", daemon, "waiting for the rest of big.png, which breaks off")
    person.put("big.png", data)
    wait_until_done(real / "outbox", daemon, 1)
    slow.become()
    assert daemon.terminate() == Exit.OK
    yard.pictures_put["big.png"] = yard.pictures()["big.png"]
    assert yard.pictures_put["big.png"][1] == data
    audit(yard)
