"""The parts of a cluster as services of the booted machine: hardened as they are, they render."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from tests.boot.machine import Machine
from tests.boot.served import ATELIERD, CONFIG, Served

UNITS = Path(__file__).parents[2] / "systemd"
SCHEDULER, WORKER = "atelierd-scheduler.service", "atelierd-worker.service"
ADDRESS = "127.0.0.1:8786"

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def together(served: Served) -> Iterator[Served]:
    """The service, whose renders go to a worker beside it, by way of a scheduler."""
    machine = served.machine
    _place_certificates(machine)
    machine.write(f"/etc/systemd/system/{SCHEDULER}", (UNITS / SCHEDULER).read_text())
    options = "ATELIERD_WORKER_OPTIONS=--device cpu --name beside --listen 127.0.0.1\n"
    machine.write("/etc/atelierd/worker.env", options)
    cluster = f"executor: dask://{ADDRESS}\ncluster: {{certificates: /etc/atelierd/daemon}}\n"
    machine.path(CONFIG).write_text(served.configuration + cluster)
    machine.run(ATELIERD, "systemd", "install", "--worker", f"tls://{ADDRESS}")
    machine.run(ATELIERD, "systemd", "install")
    try:
        yield served
    finally:
        machine.run("systemctl", "stop", WORKER, SCHEDULER, code=None)
        served.reset()
        machine.run(ATELIERD, "systemd", "install")


def _place_certificates(machine: Machine) -> None:
    machine.run(ATELIERD, "cluster", "init", "/root/certs", "--host", "127.0.0.1")
    for part, place in (("scheduler", "scheduler"), ("worker", "certificates"), ("daemon",) * 2):
        machine.run("rm", "-rf", f"/etc/atelierd/{place}")
        machine.run("cp", "-r", f"/root/certs/{part}", f"/etc/atelierd/{place}")
        machine.run("chown", "-R", "atelierd:atelierd", f"/etc/atelierd/{place}")


def test_scheduler_worker_and_daemon_render_together_and_stop_cleanly(together: Served) -> None:
    machine = together.machine
    machine.run("systemctl", "start", SCHEDULER)
    machine.wait_for(lambda: "listens at tls" in machine.messages(SCHEDULER), "the scheduler")
    machine.run("systemctl", "start", WORKER)
    together.start()
    together.drop("far", iterations=6)
    with Image.open(together.result("far")) as picture:
        assert picture.format == "PNG"
    assert "beside" in machine.messages("atelierd.service")
    for unit in (WORKER, SCHEDULER):
        assert together.active(unit) == "active"
        machine.run("systemctl", "stop", unit)
        result, restarts = machine.show(unit, "Result", "NRestarts")
        assert (result, restarts) == ("success", "0"), machine.messages(unit)
