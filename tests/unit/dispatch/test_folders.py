"""What people do to a job's folder in the outbox, and that it stops nobody else's job."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

Bench = Any


def test_a_folder_that_cannot_be_written_holds_up_only_its_own_job(bench: Bench) -> None:
    bench.add("a")
    bench.add("b")
    bench.turn()
    in_the_way = bench.outbox / "a" / "a.png"
    (in_the_way / "something").mkdir(parents=True)
    bench.end(bench.finished())
    assert bench.state_of("a") == "queued" and bench.render("a").attempts == 0
    assert "a.png" in bench.render("a").reason or "cannot be written" in bench.render("a").reason
    bench.turn()
    assert bench.order.render_id == "b.0" and bench.dispatcher.fault is None
    bench.end(bench.finished())
    assert bench.state_of("b") == "done"
    bench.turn()
    assert "cannot be written" in str(bench.dispatcher.fault), "it is all that is left"
    (in_the_way / "something").rmdir()
    in_the_way.rmdir()
    bench.turn(5.0)
    assert bench.order.render_id == "a.0"
    bench.end(bench.finished())
    assert bench.state_of("a") == "done" and bench.dispatcher.fault is None


def test_a_snapshot_that_cannot_be_published_now_is_published_later(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    in_the_way = bench.outbox / "a" / "a-0020.png"
    (in_the_way / "something").mkdir(parents=True)
    snapshot = bench.picture("snapshot-000020.png")
    bench.end(bench.report(20, snapshots=1))
    assert bench.state_of("a") == "running" and len(bench.worker.orders) == 2
    (in_the_way / "something").rmdir()
    in_the_way.rmdir()
    bench.end(bench.report(25, snapshots=1))
    assert bench.published("a") == {"a-0020.png"} and not snapshot.exists()
    assert bench.state_of("a") == "running"


def test_a_snapshot_that_still_cannot_be_published_puts_its_job_off(bench: Bench) -> None:
    bench.add("a")
    bench.add("b")
    bench.turn()
    (bench.outbox / "a" / "a-0020.png" / "something").mkdir(parents=True)
    bench.picture("snapshot-000020.png")
    bench.end(bench.report(20, snapshots=1))
    bench.end(bench.report(25, snapshots=1))
    bench.turn()
    assert bench.state_of("a") == "queued" and bench.order.render_id == "b.0"


def test_a_folder_that_people_took_away_is_made_anew(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    (bench.outbox / "a").rename(bench.outbox / "mine now")
    bench.picture("snapshot-000020.png")
    bench.end(bench.report(20, snapshots=1))
    assert bench.published("a") == {"a-0020.png"}
    bench.end(bench.finished())
    assert bench.published("a") == {"a-0020.png", "a.png"} and bench.state_of("a") == "done"


def test_a_folder_that_people_put_their_own_in_place_of_is_made_under_another_name(
    bench: Bench,
) -> None:
    bench.add("a")
    bench.turn()
    (bench.outbox / "a").rename(bench.outbox / "mine now")
    (bench.outbox / "a").mkdir()
    (bench.outbox / "a" / "diary.txt").write_text("mine")
    for iteration in (20, 25):
        bench.picture(f"snapshot-{iteration:06d}.png")
        bench.end(bench.report(iteration))
    assert bench.ledger.job_by_id("a").folder == "a-2"
    assert bench.published("a") == {"a-0020.png", "a-0025.png"}
    assert [path.name for path in (bench.outbox / "a").iterdir()] == ["diary.txt"]


def test_a_job_whose_copy_is_lost_fails_in_words_and_the_next_goes_on(bench: Bench) -> None:
    bench.add("a")
    bench.add("b")
    (bench.state / "jobs" / "a" / "job.yaml").unlink()
    bench.turn()
    assert bench.state_of("a") == "failed" and "inbox again" in bench.ledger.job_by_id("a").reason
    bench.turn()
    assert bench.order.render_id == "b.0"


def test_a_snapshot_that_a_person_has_changed_is_not_listed_as_the_daemons(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    for iteration in (20, 30):
        bench.picture(f"snapshot-0000{iteration}.png", b"%d" % iteration)
    bench.end(bench.report(30, snapshots=2))
    (bench.outbox / "a" / "a-0020.png").write_bytes(b"cropped by hand")
    receipt = {"snapshots": [20, 30], "seconds": 1.0}
    bench.end(replace(bench.finished(), receipt=receipt))
    assert bench.state_of("a") == "done"
    (entry,) = json.loads((bench.outbox / "a" / "result.json").read_text())["renders"]
    # What is listed counts as the daemon's, and goes when the folder is old.
    assert [file["name"] for file in entry["files"]] == ["a.png", "a-0030.png"]
    assert (bench.outbox / "a" / "a-0020.png").read_bytes() == b"cropped by hand"
