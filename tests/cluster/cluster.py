"""A real cluster: a scheduler, workers and a yard's daemon, each a process on its own machine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from tests.cluster.network import Network
from tests.faults.process import DaemonProcess
from tests.faults.yard import Yard

from atelierd import failpoints
from atelierd.cluster.certificates import make
from atelierd.ledger.rows import AttemptRow
from atelierd.outbox import layout

WORKERS = ("w1", "w2", "w3", "w4")
MACHINES = ("daemon", "scheduler", *WORKERS)
PORT = 8786
#: Seconds that anything may take; the machine may be busy with other things.
PATIENCE = 240.0
#: So that a machine that is cut off is missed within a test's time.
IMPATIENT = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s"}


class Cluster:
    """Processes that are killed, cut off and started anew."""

    def __init__(self, root: Path, weights: Path, network: Network | None) -> None:
        self.root = root
        self.network = network
        self.port = PORT if network else _free_port()
        self.certificates = root / "certificates"
        self.workers: dict[str, DaemonProcess] = {}
        self._processes: list[DaemonProcess] = []
        make(self.certificates, (), timedelta(days=2), datetime.now(UTC))
        self.yard = Yard(root / "yard", weights)
        self.configure()

    def configure(
        self, work: Mapping[str, Any] | None = None, certificates: Path | None = None
    ) -> None:
        """Write the daemon's configuration."""
        self.yard.configure(
            work=work,
            executor=f"dask://{self.address('scheduler')}:{self.port}",
            cluster={"certificates": str(certificates or self.certificates / "daemon")},
        )

    def address(self, machine: str) -> str:
        return "127.0.0.1" if self.network is None else self.network.address(machine)

    def start(self, workers: Sequence[str] = WORKERS) -> None:
        """Start the scheduler and workers."""
        self.start_scheduler()
        for name in workers:
            self.start_worker(name)
        for name in workers:
            self.workers[name].wait_for("is registered", timeout=PATIENCE)

    def start_scheduler(self) -> DaemonProcess:
        self.scheduler = self._start(
            "scheduler", "cluster", "scheduler", "--host", self.address("scheduler"),
            "--port", str(self.port), "--certificates", str(self.certificates / "scheduler"),
        )  # fmt: skip
        self.scheduler.wait_for("the scheduler listens", timeout=PATIENCE)
        return self.scheduler

    def start_worker(
        self,
        name: str,
        *,
        failpoint: str | None = None,
        certificates: Path | None = None,
    ) -> DaemonProcess:
        """Start a worker; `failpoint` is where its rendering process is to kill itself."""
        process = self._start(
            name, "worker", "--scheduler", f"tls://{self.address('scheduler')}:{self.port}",
            "--certificates", str(certificates or self.certificates / "worker"),
            "--name", name, "--device", "cpu", "--threads", "1", "--listen", self.address(name),
            "--folder", str(self.root / name), "--config", str(self.yard.config),
            failpoint=failpoint,
        )  # fmt: skip
        self.workers[name] = process
        return process

    def start_dask_worker(self, name: str) -> DaemonProcess:
        """Start a worker as dask-jobqueue does: dask's own, with atelierd's preload."""
        folder = self.certificates / "worker"
        command = [
            *("-m", "distributed.cli.dask_worker"),
            f"tls://{self.address('scheduler')}:{self.port}",
            *("--tls-ca-file", str(folder / "ca.pem")),
            *("--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem")),
            *("--preload", "atelierd.cli.preload", "--resources", "atelierd-device=1"),
            *("--nthreads", "1", "--no-nanny", "--memory-limit", "0", "--name", name),
            *("--local-directory", str(self.root / name), "--host", self.address(name)),
            *("--no-dashboard", "--dashboard-address", "127.0.0.1:0"),
        ]
        home = self.root / f"{name}-home" / ".config" / "atelierd"
        home.mkdir(parents=True)
        (home / "atelierd.yaml").symlink_to(self.yard.config)
        environment = {"XDG_CONFIG_HOME": str(home.parent)}
        self.workers[name] = self._run(name, command, environment)
        return self.workers[name]

    def start_daemon(self, *, drain: bool = False, failpoint: str | None = None) -> DaemonProcess:
        return self.yard.start(
            drain=drain,
            failpoint=failpoint,
            wrapped=self._inside("daemon"),
            environment=IMPATIENT,
        )

    def kill(self, process: DaemonProcess) -> None:
        """Kill a process and all that it has started, as a machine's power cut would."""
        victims = [psutil.Process(process.pid)]
        victims += victims[0].children(recursive=True)
        for victim in victims:
            # What the first one has started may end with it.
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.send_signal(signal.SIGKILL)
        psutil.wait_procs(victims)
        process.kill()

    def attempts(self) -> list[AttemptRow]:
        """Return every attempt at every render."""
        ledger = self.yard.ledger()
        try:
            renders = [one for job in ledger.jobs() for one in ledger.renders(job.id)]
            return [attempt for one in renders for attempt in ledger.attempts(one.id)]
        finally:
            ledger.close()

    def trouble(self) -> list[str]:
        """Return what the outbox says is wrong."""
        try:
            data = (self.yard.outbox / layout.STATUS).read_bytes()
        except FileNotFoundError:
            return []  # its first turn is not over yet
        found: list[str] = json.loads(data)["trouble"]
        return found

    def end(self) -> None:
        self.yard.end()
        for process in self._processes:
            process.end()

    def _start(self, machine: str, *words: str, failpoint: str | None = None) -> DaemonProcess:
        environment = {} if failpoint is None else {failpoints.VARIABLE: failpoint}
        return self._run(machine, ["-W", "error", "-m", "atelierd", *words], environment)

    def _run(
        self, machine: str, words: Sequence[str], environment: Mapping[str, str]
    ) -> DaemonProcess:
        surroundings = {**os.environ, "OMP_NUM_THREADS": "1", **IMPATIENT}
        surroundings.pop(failpoints.VARIABLE, None)
        surroundings |= environment
        command = [*self._inside(machine), sys.executable, *words]
        log = self.root / f"{machine}-{len(self._processes)}.log"
        process = DaemonProcess(command, surroundings, log)
        self._processes.append(process)
        return process

    def _inside(self, machine: str) -> list[str]:
        return [] if self.network is None else self.network.inside(machine)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
