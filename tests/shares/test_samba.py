"""People who have the share through Samba, the daemon on the server's own machine.

Whatever way a file comes, goes, or is spelled: nothing is lost, nothing is done twice.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import unicodedata
from typing import Any

import pytest
from tests.faults.audit import audit
from tests.faults.process import DaemonProcess
from tests.faults.yard import Yard
from tests.shares.conftest import LineMaker
from tests.shares.looks import size, wait_until_done, wait_until_seen, waiting
from tests.shares.people import Person
from tests.shares.programs import needs_samba
from tests.shares.samba import SambaServer

from atelierd.exits import Exit
from atelierd.share import MARKER_NAME

pytestmark = needs_samba()

QUICK = {"size": "32x32", "precision": "fp32", "seed": 5, "iterations": 2}
JOB: dict[str, Any] = {"content": "a.png", "style": "art/b.png", **QUICK}


@pytest.fixture
def daemon(yard: Yard, person: Person) -> DaemonProcess:
    """A daemon that watches, with two pictures in its inbox."""
    return started(yard, person)


@pytest.fixture
def patient_daemon(yard: Yard, person: Person) -> DaemonProcess:
    """One that waits longer for what breaks off than any test takes."""
    yard.configure(share={"settle": "3 s"})
    return started(yard, person)


def started(yard: Yard, person: Person) -> DaemonProcess:
    person.folder("art")
    person.picture("a.png", 40, 34, seed=1)
    person.picture("art/b.png", 32, 32, seed=2)
    daemon = yard.start()
    daemon.wait_for("watching")
    return daemon


def test_jobs_come_by_every_way_that_there_is_and_their_results_are_fetched(
    yard: Yard, person: Person, daemon: DaemonProcess
) -> None:
    person.drop("plain.yaml", JOB)
    person.drop("renamed.yaml", JOB, by="renamed.yaml.part")
    person.drop("saved.yaml", JOB, by="~saved.tmp")
    person.ask("mkdir inbox\\later")
    person.drop("later/moved.yaml", JOB, by="later/moved.txt")
    wait_until_done(yard.outbox, daemon, 4)
    for folder in ("plain", "renamed", "saved", "moved"):
        manifest = json.loads(person.fetch(f"outbox/{folder}/result.json"))
        for entry in manifest["renders"]:
            for file in entry["files"]:
                data = person.fetch(f"outbox/{folder}/{file['name']}")
                assert hashlib.sha256(data).hexdigest() == file["sha256"]
    listing = person.ask('ls "outbox\\plain\\*"', 'ls "inbox\\*"')
    assert "report.html" in listing
    assert ".atelierd" not in listing
    assert "NT_STATUS" in person.try_to(f'del "inbox\\{MARKER_NAME}"')
    finish(yard, daemon)
    # Who has fetched the pictures may delete the folder, and what is hidden in it goes with it.
    person.ask("deltree outbox\\plain")
    assert not (yard.outbox / "plain").exists()


def test_names_in_other_cases_and_alphabets_are_found(
    yard: Yard, person: Person, daemon: DaemonProcess
) -> None:
    umlaut = "Gemälde grün"
    composed, decomposed = (unicodedata.normalize(form, umlaut) for form in ("NFC", "NFD"))
    person.folder("写真")
    person.picture("写真/夜景.png", seed=3)
    person.picture(f"{composed}.png", seed=4)
    person.picture("🌊 wave.png", seed=5)
    person.drop("Case.YAML", {**JOB, "content": "A.PNG", "style": "Art\\B.Png"})
    person.drop("日本語.yaml", {**JOB, "content": "写真/夜景.png"})
    person.drop("umlaut.yaml", {**JOB, "content": f"{decomposed}.png"})
    person.drop(f"{decomposed}.yaml", {**JOB, "content": f"{composed.upper()}.PNG"})
    person.drop("emoji 🎨.yaml", {**JOB, "content": "🌊 wave.png", "style": "写真/*.PNG"})
    wait_until_done(yard.outbox, daemon, 5)
    listing = unicodedata.normalize("NFC", person.ask('ls "outbox\\*"'))
    for folder in ("Case", "日本語", "umlaut", composed, "emoji 🎨"):
        assert folder in listing
    finish(yard, daemon)


def test_job_files_as_windows_writes_them(
    yard: Yard, person: Person, daemon: DaemonProcess
) -> None:
    lines = "\r\n".join(f"{key}: {value}" for key, value in JOB.items()) + "\r\n"
    windows = lines.replace("art/b.png", "art\\b.png")
    person.drop("crlf.yaml", windows.encode())
    person.drop("bom.yaml", codecs.BOM_UTF8 + windows.encode())
    person.drop("utf-16.yaml", windows.encode("utf-16"))
    wait_until_done(yard.outbox, daemon, 3)
    finish(yard, daemon)


def test_times_that_the_client_sets_neither_hide_a_file_nor_double_it(
    yard: Yard, person: Person, daemon: DaemonProcess
) -> None:
    for year in (1985, 2037):
        name = f"of {year}.yaml"
        # Waits for its picture while its times are changed, as copying programs do at the end.
        person.drop(name, {**JOB, "content": f"{year}.png"})
        wait_until_seen(yard.outbox, daemon, name)
        times = f"-1 {year}:06:07-08:09:10 {year}:06:07-08:09:10 -1"
        person.ask(f'utimes "inbox\\{name}" {times}')
        assert f"Jun  7 08:09:10 {year}" in person.ask(f'allinfo "inbox\\{name}"')
        person.picture(f"{year}.png", seed=6)
        person.ask(f'utimes "inbox\\{year}.png" {times}')
        person.expect_picture(f"{year}.png")
    wait_until_done(yard.outbox, daemon, 2)
    finish(yard, daemon)


def test_a_job_that_its_owner_deletes_while_it_waits_is_gone_and_may_come_again(
    yard: Yard, person: Person, daemon: DaemonProcess
) -> None:
    job = {**JOB, "content": "later.png"}
    person.drop("regretted.yaml", job)
    yard.dropped.clear()
    wait_until_seen(yard.outbox, daemon, "regretted.yaml")
    person.ask("del inbox\\regretted.yaml")
    daemon.wait_until(
        lambda: "regretted.yaml" not in waiting(yard.outbox), "the job to be forgotten"
    )
    person.picture("later.png", seed=7)
    person.drop("other.yaml", JOB)
    wait_until_done(yard.outbox, daemon, 1)
    person.drop("regretted.yaml", job)
    wait_until_done(yard.outbox, daemon, 2)
    finish(yard, daemon)


def test_a_job_that_is_saved_again_while_it_waits_is_one_job_as_it_was_saved_last(
    yard: Yard, person: Person, daemon: DaemonProcess
) -> None:
    person.drop("often.yaml", {**JOB, "content": "missing.png"})
    wait_until_seen(yard.outbox, daemon, "often.yaml")
    yard.dropped.clear()
    person.drop("often.yaml", {**JOB, "content": "missing, too.png", "name": "second"})
    yard.dropped.clear()
    person.drop("often.yaml", JOB, by="often.yaml.tmp")
    wait_until_done(yard.outbox, daemon, 1)
    finish(yard, daemon)


def test_a_picture_that_is_long_on_its_way_is_waited_for(
    yard: Yard, person: Person, patient_daemon: DaemonProcess, samba: SambaServer, line: LineMaker
) -> None:
    slow = line(samba.port, bytes_a_second=60_000)
    data = person.noise(400, seed=8)
    upload = person.begin("big.png", data, slow.port)
    person.drop("patient.yaml", {**JOB, "content": "big.png"})
    upload.wait_until(lambda: size(yard.inbox / "big.png") > 0)
    wait_until_seen(yard.outbox, patient_daemon, "patient.yaml")
    slow.become()
    upload.finish()
    person.expect_picture("big.png")
    wait_until_done(yard.outbox, patient_daemon, 1)
    finish(yard, patient_daemon)


@pytest.mark.parametrize("cut", ["client killed", "line cut"])
def test_a_copy_that_is_broken_off_is_waited_for_until_it_is_made_again(
    yard: Yard,
    person: Person,
    patient_daemon: DaemonProcess,
    samba: SambaServer,
    line: LineMaker,
    cut: str,
) -> None:
    slow = line(samba.port, bytes_a_second=100_000)
    data = person.noise(600, seed=9)
    upload = person.begin("broken.png", data, slow.port)
    there = yard.inbox / "broken.png"
    upload.wait_until(lambda: size(there) > 0)
    if cut == "line cut":
        slow.cut()
    upload.kill()
    assert 0 < size(there) < len(data), "the server keeps what has come, under the file's name"
    person.drop("waits.yaml", {**JOB, "content": "broken.png"})
    reason = "waiting for the rest of broken.png, which breaks off"
    wait_until_seen(yard.outbox, patient_daemon, reason)
    person.put("broken.png", data)
    person.expect_picture("broken.png")
    wait_until_done(yard.outbox, patient_daemon, 1)
    finish(yard, patient_daemon)


def test_a_job_file_that_is_broken_off_is_waited_for_until_it_is_whole(
    yard: Yard, person: Person, daemon: DaemonProcess
) -> None:
    text = "".join(f"{key}: {value}\n" for key, value in JOB.items())
    person.put("half.yaml", text[: text.index("style") + 3].encode())
    person.put("none.yaml", b"")
    wait_until_seen(yard.outbox, daemon, "it breaks off")
    wait_until_seen(yard.outbox, daemon, "it is empty")
    person.drop("half.yaml", text)
    person.drop("none.yaml", text)
    wait_until_done(yard.outbox, daemon, 2)
    finish(yard, daemon)


def finish(yard: Yard, daemon: DaemonProcess) -> None:
    assert daemon.terminate() == Exit.OK
    audit(yard)
