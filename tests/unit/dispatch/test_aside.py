"""Rule 18: jobs that cannot be worked on just now wait by themselves, and the others go on."""

from __future__ import annotations

from typing import Any

import pytest

from atelierd.dispatch.aside import Aside
from atelierd.dispatch.choosing import DISPLACES_AFTER
from atelierd.errors import WeightsError
from atelierd.ledger.states import Outcome

Bench = Any

LACKING = WeightsError("the weights of vgg19 cannot be had")


def test_a_job_that_is_set_aside_waits_longer_each_time_and_is_forgotten_when_it_succeeds() -> None:
    aside = Aside()
    assert aside.begin("a", "gone", now=10.0)
    assert aside.reasons(10.5) == {"a": "gone"}
    assert aside.reasons(11.0) == {}
    assert not aside.begin("a", "gone", now=11.0), "the reason is no news"
    assert aside.reasons(12.5) == {"a": "gone"}
    aside.end("a")
    assert aside.reasons(12.5) == {}


def test_jobs_that_wait_for_the_same_share_one_pause() -> None:
    aside = Aside()
    aside.begin("a", "no weights", 0.0, ["a", "b", "c"])
    assert set(aside.reasons(0.5)) == {"a", "b", "c"}
    aside.begin("b", "no weights", 1.0, ["a", "b", "c"])
    assert set(aside.reasons(2.5)) == {"a", "b", "c"}, "one look for all"
    aside.keep_only({"c"})
    assert set(aside.reasons(2.5)) == {"c"}


def test_rule_18_jobs_whose_network_has_no_weights_wait_and_the_others_go_on(bench: Bench) -> None:
    for job in ("a", "b"):
        bench.add(job, settings='{"network": "vgg19"}')
    bench.add("c", settings='{"network": "vgg16"}')
    bench.turn()
    assert bench.order.render_id == "a.0"
    bench.end(LACKING)
    assert bench.order.render_id == "c.0", "b would lack them, too"
    assert bench.worker.replaced == [], "nothing is wrong with the process"
    assert not bench.dispatcher.fault
    bench.end(bench.finished())
    assert bench.state_of("c") == "done"
    assert bench.dispatcher.fault == str(LACKING), "now there is nothing else to do"
    (attempt,) = bench.ledger.attempts("a.0")
    assert attempt.outcome is Outcome.WORLD_FAULT and bench.render("a").attempts == 0
    bench.turn(1.5)
    assert bench.order.render_id == "a.0"
    bench.end(bench.finished())
    assert bench.order.render_id == "b.0", "and goes on by itself"
    assert not bench.dispatcher.fault


def test_one_look_for_missing_weights_serves_all_who_wait_for_them(bench: Bench) -> None:
    for number in range(20):
        bench.add(f"job-{number:02d}", settings='{"network": "vgg19"}')
    for _ in range(600):
        bench.turn(1.0)
        if not bench.worker.futures[-1].done():
            bench.end(LACKING)
    assert len(bench.worker.orders) < 25, "a pause of up to a minute for all of them together"


def test_a_disk_that_fails_meanwhile_pauses_the_whole_queue(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.add("a", settings='{"network": "vgg19"}')
    bench.add("b", settings='{"network": "vgg16"}')
    bench.turn()
    monkeypatch.setattr("atelierd.dispatch.dispatcher.is_world_well", lambda *_: False)
    bench.end(LACKING)
    assert bench.dispatcher.fault == str(LACKING)
    assert len(bench.worker.orders) == 1


def test_an_urgent_job_that_is_set_aside_takes_the_device_from_nobody(bench: Bench) -> None:
    bench.add("urgent", priority=9, settings='{"network": "vgg19"}')
    bench.add("slow", settings='{"network": "vgg16"}')
    bench.turn()
    bench.end(LACKING)
    assert bench.order.render_id == "slow.0"
    bench.end()
    assert bench.order.render_id == "slow.0"
    assert len(bench.ledger.attempts("slow.0")) == 1, "it went on, it was not begun again"
    for _ in range(5):
        bench.now += 60
        bench.end()
        assert bench.order.render_id == "slow.0", "its pause is over, but it might fail again"
    bench.now += DISPLACES_AFTER
    bench.end()
    assert bench.order.render_id == "urgent.0"


def test_an_urgent_job_that_is_set_aside_is_tried_as_soon_as_the_device_is_free(
    bench: Bench,
) -> None:
    bench.add("urgent", priority=9, settings='{"network": "vgg19"}')
    bench.add("slow", settings='{"network": "vgg16"}')
    bench.add("last", settings='{"network": "vgg16"}')
    bench.turn()
    bench.end(LACKING)
    bench.now += 2
    bench.end(bench.finished())
    assert bench.order.render_id == "urgent.0"
