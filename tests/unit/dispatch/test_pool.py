"""A real worker process: it starts, dies, hangs, is replaced, and never outlives its daemon."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from atelierd.dispatch import pool, worker
from atelierd.dispatch.outcomes import outcome_of
from atelierd.dispatch.pool import ProcessWorker
from atelierd.errors import NodeFault
from atelierd.render.resident import EngineOptions
from atelierd.render.segment import SegmentOrder


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ProcessWorker]:
    process = ProcessWorker(EngineOptions(weights_folder=tmp_path))
    yield process
    process.replace("the test is over")


def order(tmp_path: Path) -> SegmentOrder:
    return SegmentOrder("a.0", "not a render", tmp_path, tmp_path / "work", 1.0)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # the latter between open and read
        return False
    return state != "Z"


def eventually(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_one_process_serves_until_it_dies_and_then_another(
    process: ProcessWorker, tmp_path: Path
) -> None:
    pid = process.start()
    assert pid != os.getpid() and is_alive(pid)
    assert process.start() == pid
    # A terminal's Ctrl-C and a service manager's stop reach the whole process group.
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)
    outcome = outcome_of(process.submit(order(tmp_path)), tmp_path)
    assert type(outcome) is NodeFault and "ValidationError" in str(outcome)
    assert process.pid == pid, "an error in a segment ends no process"
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(NodeFault, match="died"):
        while True:
            outcome = outcome_of(process.submit(order(tmp_path)), tmp_path)
            if str(outcome) == "the worker process died":
                process.replace(str(outcome))
                raise outcome  # type: ignore[misc]
    other = process.start()
    assert other != pid and is_alive(other)


def test_what_a_worker_logs_is_logged_by_the_daemon(
    process: ProcessWorker, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO, logger="atelierd")
    process.start()
    assert process._executor is not None
    speaker = logging.getLogger("atelierd.weights.store")
    process._executor.submit(speaker.debug, "too much to tell").result()
    process._executor.submit(speaker.warning, "%s: it answered %d", "Keras' VGG16", 404).result()

    def arrived() -> list[logging.LogRecord]:
        return [record for record in caplog.records if record.name == speaker.name]

    assert eventually(lambda: bool(arrived()))
    (record,) = arrived()
    assert (record.levelname, record.getMessage()) == ("WARNING", "Keras' VGG16: it answered 404")
    assert record.process == process.pid
    assert capfd.readouterr().err == ""


def test_a_hanging_process_is_killed_at_once(process: ProcessWorker, tmp_path: Path) -> None:
    pid = process.start()
    os.kill(pid, signal.SIGSTOP)
    future = process.submit(order(tmp_path))
    process.replace("it does not report")
    assert not is_alive(pid) and process.pid == 0
    outcome = outcome_of(future, tmp_path)
    assert type(outcome) is NodeFault and "the worker process" in str(outcome)
    process.replace("twice is once")


def test_stopping_waits_for_the_process_to_end(process: ProcessWorker) -> None:
    pid = process.start()
    process.stop()
    assert not is_alive(pid)
    process.stop()


def test_a_process_that_rests_is_gone_until_there_is_work(
    process: ProcessWorker, tmp_path: Path
) -> None:
    process.rest()
    assert not process.is_up
    pid = process.start()
    process.rest()
    assert process.pid == 0 and not is_alive(pid)
    assert type(outcome_of(process.submit(order(tmp_path)), tmp_path)) is NodeFault
    assert process.pid not in (0, pid)


def test_a_process_that_has_still_to_show_that_it_computes_does_not_rest(
    process: ProcessWorker,
) -> None:
    proof = process.prove()
    process.rest()
    assert process.is_up
    assert "computes" in proof.result(120)
    process.rest()
    assert not process.is_up


def test_a_process_that_cannot_be_set_up_is_a_fault_of_the_node(
    process: ProcessWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "initialize", os._exit)  # with arguments that it does not take
    with pytest.raises(NodeFault, match="does not start"):
        process.start()
    assert process.pid == 0


def test_a_process_that_does_not_come_up_is_given_up(
    process: ProcessWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "START_PATIENCE", timedelta(0))
    with pytest.raises(NodeFault, match="does not answer"):
        process.start()
    monkeypatch.undo()
    assert is_alive(process.start())


def test_a_segment_without_a_studio_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_studio", None)
    with pytest.raises(NodeFault, match="not set up"):
        worker.run_segment(order(tmp_path))


DAEMON = """
import sys, time
from pathlib import Path
from atelierd.dispatch.pool import ProcessWorker
from atelierd.render.resident import EngineOptions

if __name__ == "__main__":
    print(ProcessWorker(EngineOptions(Path(sys.argv[1]))).start(), flush=True)
    time.sleep(60)
"""


def test_a_worker_does_not_outlive_a_daemon_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "daemon.py"
    script.write_text(DAEMON)
    command: Any = [sys.executable, str(script), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None
        pid = int(daemon.stdout.readline())
        assert is_alive(pid)
        daemon.kill()
    assert eventually(lambda: not is_alive(pid))
