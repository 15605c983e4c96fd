"""The daemon's loop with a worker that the test plays: drain, exit codes, the stop ladder."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from tests.unit.notify.servers import WebhookServer

from atelierd import service as module
from atelierd.announcer import Glance
from atelierd.dispatch import pool
from atelierd.errors import JobFault, WeightsError, WorldFault
from atelierd.exits import Exit
from atelierd.ledger import Ledger
from atelierd.ledger.states import Action, JobState
from atelierd.notifysettings import NotifySettings
from atelierd.render.segment import SegmentOrder, SegmentReport
from atelierd.service import Service
from atelierd.settings import Settings
from atelierd.share import MARKER_NAME, init_share

# watchdog says so where a folder is made while its parent is being looked through.
pytestmark = pytest.mark.filterwarnings("ignore:Callback with id:RuntimeWarning")

Play = Callable[[SegmentOrder], SegmentReport | Exception | None]


def report(order: SegmentOrder, iteration: int, **facts: Any) -> SegmentReport:
    values: dict[str, Any] = {
        "render_id": order.render_id,
        "pid": 1,
        "iteration": iteration,
        "iterations": 10,
        "evaluations": iteration,
        "objective": 1.0,
        "seconds": float(iteration),
        "width": 8,
        "height": 8,
        "phase": 0,
        "saved": False,
        "finished": False,
        "snapshots": 0,
        "log": (),
    }
    return SegmentReport(**values | facts)


def done(order: SegmentOrder) -> SegmentReport:
    """Do the whole render in one segment."""
    order.work.mkdir(parents=True, exist_ok=True)
    (order.work / "result.png").write_bytes(picture("green"))
    return report(order, 10, saved=True, finished=True, receipt={"snapshots": []})


def under_way(order: SegmentOrder) -> SegmentReport:
    """Come a little further, and save when asked to."""
    order.work.mkdir(parents=True, exist_ok=True)
    return report(order, 3, saved=order.seconds == 0.0)


def picture(color: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 40), color).save(buffer, "PNG")
    return buffer.getvalue()


class PlayedWorker:
    """Takes the place of the worker process; its segments end as soon as they are played."""

    play: Play = staticmethod(done)
    proof: Future[str]
    made: list[PlayedWorker]

    def __init__(self, options: Any, name: str) -> None:
        self.name = name
        self.pid = 0
        self.orders: list[SegmentOrder] = []
        self.replaced = self.stopped = 0
        self.killed_for_memory = False
        PlayedWorker.made.append(self)

    def takes(self, spec: str, work: Path) -> bool:
        return True

    @property
    def is_up(self) -> bool:
        return self.pid != 0

    def start(self) -> int:
        self.pid = 1
        return 1

    def prove(self) -> Future[str]:
        return PlayedWorker.proof

    def submit(self, order: SegmentOrder) -> Future[SegmentReport]:
        self.orders.append(order)
        future: Future[SegmentReport] = Future()
        outcome = PlayedWorker.play(order)
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        elif outcome is not None:
            future.set_result(outcome)
        return future

    def replace(self, reason: str) -> None:
        self.replaced += 1

    def stop(self) -> None:
        self.stopped += 1


class Bench:
    """A share, a configuration, and the daemon that runs on them."""

    def __init__(self, folder: Path) -> None:
        init_share(folder / "share")
        self.settings = Settings(
            inbox=folder / "share" / "inbox",
            outbox=folder / "share" / "outbox",
            state=folder / "state",
            share={"settle": "50 ms", "scan_interval": "100 ms", "free_space": 0},
            work={"segment": "1 s"},
        )
        (self.settings.inbox / "photo.png").write_bytes(picture("red"))
        (self.settings.inbox / "style.png").write_bytes(picture("blue"))

    def drop(self, name: str, text: str = "content: photo.png\nstyle: style.png\n") -> None:
        (self.settings.inbox / f"{name}.yaml").write_text(text)

    def run(self, play: Play = done, *, drain: bool = True, watcher: Any = None) -> Exit:
        PlayedWorker.play = staticmethod(play)
        return Service(self.settings, drain=drain, watcher=watcher or (lambda _: None)).run()

    @property
    def worker(self) -> PlayedWorker:
        return PlayedWorker.made[-1]

    def ledger(self) -> Ledger:
        return Ledger.open(self.settings.state / "ledger.sqlite")

    def states(self) -> dict[str, str]:
        ledger = self.ledger()
        try:
            return {job.folder: str(job.state) for job in ledger.jobs()}
        finally:
            ledger.close()

    def act(self, action: Action, folder: str) -> None:
        ledger = self.ledger()
        ledger.act(action, ledger.job(folder).id)
        ledger.close()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(pool, "ProcessWorker", PlayedWorker)
    monkeypatch.setattr("atelierd.draining.DRAIN_PATIENCE", timedelta(milliseconds=300))
    PlayedWorker.made = []
    yield Bench(tmp_path)


def test_rule_21_a_drain_works_until_inbox_and_queue_are_empty(bench: Bench) -> None:
    for name in ("a", "b", "c"):
        bench.drop(name)
    assert bench.run() is Exit.OK
    assert bench.states() == {"a": "done", "b": "done", "c": "done"}
    assert (bench.settings.outbox / "b" / "photo-style.png").exists()
    assert not list(bench.settings.inbox.glob("*.yaml"))
    assert bench.worker.stopped == 1


def test_rule_21_an_empty_inbox_is_drained_at_once(bench: Bench) -> None:
    assert bench.run() is Exit.OK
    assert bench.worker.orders == []


def test_rule_21_a_drain_waits_for_what_is_still_settling(bench: Bench) -> None:
    bench.drop("late", "content: photo.png\n")
    rest = ["style: style.png\n"]

    def go_on_writing(_: Glance) -> None:
        with (bench.settings.inbox / "late.yaml").open("a") as file:
            file.write(rest.pop() if rest else "")

    assert bench.run(watcher=go_on_writing) is Exit.OK
    assert bench.states() == {"late": "done"}


def test_rule_21_a_failed_job_makes_the_exit_code_1(bench: Bench) -> None:
    bench.drop("good")
    bench.drop("bad", "content: photo.png\nstyle: style.png\nsize: -5\n")
    assert bench.run() is Exit.FAILED
    assert bench.states() == {"good": "done", "bad": "failed"}
    assert "size" in (bench.settings.outbox / "bad" / "error.txt").read_text()


def test_rule_21_only_what_failed_now_counts(bench: Bench) -> None:
    bench.drop("bad")
    assert bench.run(lambda order: JobFault("broken")) is Exit.FAILED
    bench.drop("good")
    assert bench.run() is Exit.OK


def test_rule_21_a_job_that_is_tried_again_and_fails_again_counts_again(bench: Bench) -> None:
    for name in ("bad", "other"):
        bench.drop(name)
    assert bench.run(lambda order: JobFault("broken")) is Exit.FAILED
    for name in ("bad", "other"):
        bench.act(Action.RETRY, name)
    # One succeeds now: there are fewer failures than before, and still one of them is new.
    outcomes: list[Play] = [lambda order: JobFault("broken"), done]
    assert bench.run(lambda order: outcomes.pop(0)(order)) is Exit.FAILED
    assert sorted(bench.states().values()) == ["done", "failed"]


def test_rule_21_a_share_that_is_gone_makes_the_exit_code_75(bench: Bench) -> None:
    bench.drop("a")
    (bench.settings.inbox / MARKER_NAME).unlink()
    assert bench.run() is Exit.KEPT_FROM_WORK


def test_rule_21_missing_weights_make_the_exit_code_75_and_burn_no_attempt(bench: Bench) -> None:
    bench.drop("a")
    assert bench.run(lambda order: WeightsError("no source gave them")) is Exit.KEPT_FROM_WORK
    assert bench.states() == {"a": "queued"}
    assert bench.run() is Exit.OK


class SlowWorker(PlayedWorker):
    """Each render takes so long that all together outlast a drain's patience with trouble."""

    timers: list[threading.Timer]

    def submit(self, order: SegmentOrder) -> Future[SegmentReport]:
        future: Future[SegmentReport] = Future()
        timer = threading.Timer(0.15, lambda: future.set_result(done(order)))
        SlowWorker.timers.append(timer)
        timer.start()
        return future


def test_rule_21_what_one_folder_suffers_from_does_not_end_the_drain_of_the_others(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "ProcessWorker", SlowWorker)
    SlowWorker.timers = []
    for number in range(6):
        bench.drop(f"job{number}")

    def break_one(_: Glance) -> None:
        status = bench.settings.outbox / "job0" / "status.json"
        if status.is_file():
            status.unlink()
            status.mkdir()

    assert bench.run(watcher=break_one) is Exit.KEPT_FROM_WORK
    for timer in SlowWorker.timers:
        timer.join()
    assert set(bench.states().values()) == {"done"}


def test_rule_21_what_waits_for_a_picture_is_left_and_told(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.drop("a", "content: not there.png\nstyle: style.png\n")
    assert bench.run() is Exit.OK
    assert (bench.settings.inbox / "a.yaml").exists()
    assert "left in the inbox: a.yaml: waiting for not there.png" in caplog.text


def test_a_held_job_does_not_keep_a_drain_waiting(bench: Bench) -> None:
    bench.drop("a")
    bench.run(lambda order: WeightsError("not yet"))
    bench.act(Action.HOLD, "a")
    assert bench.run() is Exit.OK
    assert bench.states() == {"a": "held"}


def signal_after(times: int, number: int = signal.SIGTERM) -> Callable[[Glance], None]:
    """A watcher that has this process told to stop once a render is under way."""
    sent = 0

    def watcher(glance: Glance) -> None:
        nonlocal sent
        while glance.working and sent < times:
            sent += 1
            os.kill(os.getpid(), number)

    return watcher


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_rule_19_a_signal_saves_and_stops(bench: Bench, number: int) -> None:
    bench.drop("a")
    assert bench.run(under_way, drain=False, watcher=signal_after(1, number)) is Exit.OK
    assert bench.worker.orders[-1].seconds == 0.0
    assert bench.states() == {"a": "queued"}
    assert bench.worker.stopped == 1 and bench.worker.replaced == 0
    assert bench.run() is Exit.OK
    assert bench.states() == {"a": "done"}


def test_rule_19_a_second_signal_stops_at_once(bench: Bench) -> None:
    bench.drop("a")
    assert bench.run(lambda order: None, drain=False, watcher=signal_after(2)) is Exit.OK
    assert bench.worker.replaced == 1, "its iteration was not waited for"
    assert bench.states() == {"a": "queued"}


def test_only_settings_that_hold_from_then_on_are_told_of(bench: Bench, tmp_path: Path) -> None:
    hook = {"url": "http://127.0.0.1:9/", "secret": {"file": tmp_path / "none"}}
    refused = bench.settings.model_copy(
        update={"log": "json", "notify": NotifySettings(webhooks=[hook])}
    )
    offered = [refused, bench.settings.model_copy(update={"log": "text"})]
    told: list[str] = []

    def watcher(_: Glance) -> None:
        # A reload is done at the next turn.
        os.kill(os.getpid(), signal.SIGHUP if offered else signal.SIGTERM)

    service = Service(
        bench.settings,
        watcher=watcher,
        reread=lambda: offered.pop(0),
        adopted=lambda settings: told.append(str(settings.log)),
    )
    assert service.run() is Exit.OK
    assert told == ["text"]


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A service manager's end of the protocol."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "100000")
        yield receiver


def notified(manager: socket.socket) -> list[str]:
    """Return what the manager has been told, but for the status."""
    manager.setblocking(False)
    heard = []
    with contextlib.suppress(BlockingIOError):
        while True:
            heard.append(manager.recv(1000).decode().partition("=")[0])
    return [one for one in heard if one != "STATUS"]


def stopping_after(turns: int, then: Callable[[], None]) -> Callable[[Glance], None]:
    """A watcher that does something after so many turns, and stops the daemon when all is well."""
    seen = well = 0

    def watcher(glance: Glance) -> None:
        nonlocal seen, well
        seen += 1
        if seen == turns:
            then()
        elif seen > turns and not glance.trouble:
            well += 1
            if well == turns:
                os.kill(os.getpid(), signal.SIGTERM)

    return watcher


def test_the_manager_hears_that_it_is_ready_when_the_engine_has_computed(
    bench: Bench, manager: socket.socket
) -> None:
    PlayedWorker.proof = Future()
    before: list[str] = []

    def compute() -> None:
        before.extend(notified(manager))
        PlayedWorker.proof.set_result("computes on cpu")

    bench.run(drain=False, watcher=stopping_after(5, compute))
    assert before == []
    ready, *alive, stopping = notified(manager)
    assert (ready, stopping) == ("READY", "STOPPING")
    assert set(alive) == {"WATCHDOG"}


def test_it_is_not_ready_while_the_share_is_away(bench: Bench, manager: socket.socket) -> None:
    PlayedWorker.proof = Future()
    PlayedWorker.proof.set_result("computes on cpu")
    marker = bench.settings.inbox / MARKER_NAME
    aside = marker.rename(marker.with_name("aside"))
    before: list[str] = []

    def come_back() -> None:
        before.extend(notified(manager))
        aside.rename(marker)

    bench.run(drain=False, watcher=stopping_after(5, come_back))
    assert set(before) == {"EXTEND_TIMEOUT_USEC"}
    assert "READY" in notified(manager)


def test_an_engine_that_does_not_compute_ends_the_start(
    bench: Bench, manager: socket.socket
) -> None:
    PlayedWorker.proof = Future()
    PlayedWorker.proof.set_exception(WorldFault("device cuda: there is no driver"))
    with pytest.raises(WorldFault, match="no driver"):
        bench.run(drain=False)
    assert notified(manager) == ["STOPPING"]
    assert bench.worker.stopped == 1


def test_a_drain_with_nothing_to_do_was_ready(bench: Bench, manager: socket.socket) -> None:
    assert bench.run() is Exit.OK
    assert notified(manager) == ["READY", "STOPPING"]


def test_rule_20_what_ran_when_the_daemon_was_killed_is_begun_again(bench: Bench) -> None:
    bench.drop("a")
    with pytest.raises(KeyboardInterrupt):
        bench.run(interrupted)
    ledger = bench.ledger()
    assert ledger.jobs()[0].state in (JobState.RUNNING, JobState.QUEUED)
    ledger.close()
    assert bench.run() is Exit.OK
    assert bench.states() == {"a": "done"}


def interrupted(order: SegmentOrder) -> SegmentReport:
    raise KeyboardInterrupt


@pytest.fixture
def hook(bench: Bench) -> Iterator[WebhookServer]:
    """A receiver that the bench's daemon tells everything."""
    with WebhookServer().serving() as server:
        notify = NotifySettings.model_validate({"webhooks": [{"url": server.url}]})
        bench.settings = bench.settings.model_copy(update={"notify": notify})
        yield server


def told(hook: WebhookServer) -> list[str]:
    return sorted(call.headers["X-Atelierd-Event"] for call in hook.calls)


def test_what_becomes_of_jobs_is_told_before_a_drain_ends(
    bench: Bench, hook: WebhookServer
) -> None:
    bench.drop("good")
    bench.drop("bad", "content: photo.png\nstyle: style.png\nsize: -5\n")
    assert bench.run() is Exit.FAILED
    assert told(hook) == ["done", "empty", "failed"]


def test_a_receiver_that_hangs_delays_no_job(
    bench: Bench, hook: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atelierd.notify.post.DRAIN_PATIENCE", timedelta(milliseconds=100))
    hook.script.append("hang")
    bench.drop("bad", "content: photo.png\nstyle: style.png\nsize: -5\n")
    hanging = threading.Event()

    def when_it_hangs(_: Glance) -> None:
        if hook.calls and not hanging.is_set():
            hanging.set()
            bench.drop("good")

    # Until it hangs, there has to be something to wait for.
    bench.drop("late", "content: photo.png\n")
    rest = ["style: style.png\n"]

    def watcher(glance: Glance) -> None:
        when_it_hangs(glance)
        with (bench.settings.inbox / "late.yaml").open("a") as file:
            file.write(rest.pop() if hanging.is_set() and rest else "# not yet\n" if rest else "")

    assert bench.run(watcher=watcher) is Exit.FAILED
    assert bench.states() == {"bad": "failed", "good": "done", "late": "done"}
    assert told(hook) == ["failed"]


def test_a_share_that_keeps_a_drain_from_its_work_is_told(
    bench: Bench, hook: WebhookServer
) -> None:
    (bench.settings.inbox / MARKER_NAME).unlink()
    assert bench.run() is Exit.KEPT_FROM_WORK
    (call,) = hook.calls
    facts = json.loads(call.body)
    assert facts["event"] == "offline"
    assert "is the share mounted?" in facts["trouble"][0]


def test_what_the_loop_hangs_on_is_told_to_those_outside(bench: Bench) -> None:
    glances: list[Glance] = []
    service = Service(bench.settings, watcher=glances.append)
    seen: list[tuple[str, ...]] = []
    service._post.see = lambda trouble: seen.append(tuple(trouble))  # type: ignore[method-assign]
    bench.settings.state.mkdir()
    # As the thread does that looks on while a call to the share never comes back.
    service._announcer.hangs("the inbox does not answer")
    assert seen == [("the inbox does not answer",)]
    assert glances[-1].trouble == seen[-1]


def test_a_morning_report_that_is_due_is_written_beside_the_work(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.drop("a")
    bench.run()
    ledger = bench.ledger()
    ledger.notices.set_mark("reported day", None)
    ledger.close()
    # Due as of now: the day ends at the minute that has just begun.
    now = datetime.now().astimezone() + timedelta(minutes=1)

    clock = SimpleNamespace(now=lambda tz: now.astimezone(tz))
    monkeypatch.setattr(module, "datetime", clock)
    at = now.time().replace(second=0, microsecond=0)
    bench.settings = bench.settings.model_copy(update={"morning_report": at})
    bench.run()
    (page,) = (bench.settings.outbox / "reports").iterdir()
    assert ">a<" in page.read_text()


RUN = """
import sys
from pathlib import Path
from atelierd.service import Service
from atelierd.settings import read_settings

if __name__ == "__main__":
    code = Service(read_settings(Path(sys.argv[1])), drain=True).run()
    loaded = {name.split(".")[0] for name in sys.modules}
    print(int(code), sorted({"torch", "scipy", "h5py", "onnx", "cntk"} & loaded))
"""


def test_the_daemon_itself_imports_no_framework(
    bench: Bench, random_weights: Path, tmp_path: Path
) -> None:
    """Not even after a whole run, with a real worker, to whatever its reports bring along."""
    small = "content: photo.png\nstyle: style.png\nsize: 32\niterations: 2\nsnapshots: 2\n"
    bench.drop("a", small)
    bench.drop("b", f"{small}minimizer: lbfgsb\n")
    config = tmp_path / "atelierd.yaml"
    config.write_text(
        f"inbox: share/inbox\noutbox: share/outbox\nstate: state\n"
        f"weights: {{folder: {random_weights}}}\n"
        "share: {settle: 50 ms, free_space: 0}\nwork: {device: cpu, threads: 1}\n"
    )
    script = tmp_path / "run.py"
    script.write_text(RUN)
    run = subprocess.run(
        [sys.executable, str(script), str(config)], capture_output=True, text=True, timeout=120
    )
    assert run.stdout.splitlines()[-1:] == ["0 []"], run.stderr
    assert (bench.settings.outbox / "b" / "photo-style.png").exists()


def closed_for(hours: int) -> dict[str, Any]:
    """A schedule whose only window begins in some hours."""
    begins = datetime.now(UTC) + timedelta(hours=hours)
    ends = begins + timedelta(hours=1)
    return {"time_zone": "UTC", "windows": {"later": f"{begins:%H:%M}-{ends:%H:%M}"}}


def test_rule_21_what_waits_for_its_hours_ends_a_drain_with_75(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.settings = Settings(**bench.settings.model_dump() | {"schedule": closed_for(3)})
    bench.drop("a")
    bench.drop("bad", "content: photo.png\nstyle: style.png\nsize: -5\n")
    glances: list[Glance] = []
    assert bench.run(watcher=glances.append) is Exit.KEPT_FROM_WORK
    assert bench.states() == {"a": "queued", "bad": "failed"} and not bench.worker.orders
    assert "left in the queue: 1 job waits for its hours, until " in caplog.text
    assert glances[-1].resting.startswith("1 job waits for its hours")
    overview = json.loads((bench.settings.outbox / "status.json").read_bytes())
    assert overview["queue"][0]["expected"].startswith("waits until ")
    assert overview["queue"][0]["expected_end"]
    page = (bench.settings.outbox / "a" / "report.html").read_text()
    assert "waits until " in page and ", done " in page
    assert "waits until " in (bench.settings.outbox / "index.html").read_text()
    # Without a schedule, the next drain does it.
    bench.settings = Settings(**bench.settings.model_dump() | {"schedule": {}})
    assert bench.run() is Exit.OK


def test_rule_21_a_drain_does_what_may_be_done_and_leaves_the_rest(bench: Bench) -> None:
    bench.drop("now")
    bench.drop("later", "content: photo.png\nstyle: style.png\nnot_before: 2001-01-01\n")
    day = datetime.now(UTC) + timedelta(days=20)
    bench.drop("far", f"content: photo.png\nstyle: style.png\nnot_before: {day:%Y-%m-%d}\n")
    assert bench.run() is Exit.KEPT_FROM_WORK
    assert bench.states() == {"now": "done", "later": "done", "far": "queued"}


def test_a_window_that_there_is_not_is_the_jobs_error_with_its_line(bench: Bench) -> None:
    bench.settings = Settings(**bench.settings.model_dump() | {"schedule": closed_for(3)})
    bench.drop("a", "content: photo.png\nstyle: style.png\nwindow: latr\n")
    assert bench.run() is Exit.FAILED
    error = (bench.settings.outbox / "a" / "error.txt").read_text()
    assert "line 3, window: found 'latr'; expected one of the daemon's windows (later)" in error


def test_a_job_that_came_after_its_deadline_is_rendered_and_its_page_says_so(bench: Bench) -> None:
    bench.drop("a", "content: photo.png\nstyle: style.png\ndeadline: 2001-01-01\n")
    assert bench.run() is Exit.OK
    assert "after its deadline" in (bench.settings.outbox / "a" / "report.html").read_text()
    status = json.loads((bench.settings.outbox / "a" / "status.json").read_bytes())
    assert status["late"].endswith("after its deadline")
