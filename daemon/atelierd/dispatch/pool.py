"""One worker process per device, replaced when it dies or hangs (rule 17 of the spool rules).

Each is a `concurrent.futures` process pool of one, so that a poisoned device context or a crash in
native code takes nothing else with it.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

from atelierd.dispatch import worker
from atelierd.dispatch.devices import device_names
from atelierd.dispatch.worker_log import WorkerLog
from atelierd.errors import NodeFault
from atelierd.render.memory import kernel_kills
from atelierd.render.resident import EngineOptions
from atelierd.render.segment import SegmentOrder, SegmentReport

logger = logging.getLogger(__name__)

#: How long a process may take to come up; it imports no framework before its first segment.
START_PATIENCE = timedelta(seconds=60)


class ProcessWorker:
    """The worker process of one device, made when it is first needed."""

    def __init__(self, options: EngineOptions, name: str = "") -> None:
        """`name` is what people know it by; left out, its device's."""
        self.name = name or options.device
        self._options = options
        self._executor: Executor | None = None
        self._process: BaseProcess | None = None
        self._proof: Future[str] | None = None
        self._kernel_kills = 0
        self.pid: int = 0
        """The process's id; 0 while there is none."""

    @property
    def is_up(self) -> bool:
        """Whether the process was started, and neither replaced nor stopped."""
        return self.pid != 0

    @property
    def killed_for_memory(self) -> bool:
        """Whether the kernel has ended processes for lack of memory since this one's start."""
        return kernel_kills() > self._kernel_kills

    def takes(self, spec: str, work: Path) -> bool:  # noqa: ARG002 - others look at them
        """Whether it can do a render: what this machine cannot do, nobody can."""
        return True

    def start(self) -> int:
        """Return the process id of a running worker, starting one if there is none.

        Raises NodeFault if it dies at once, or does not come up.
        """
        if self._executor is None:
            others = set(multiprocessing.active_children())
            log, level = WorkerLog(), logging.getLogger("atelierd").getEffectiveLevel()
            executor = ProcessPoolExecutor(
                max_workers=1,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=worker.initialize,
                initargs=(self._options, os.getpid(), log.theirs, level),
            )
            try:
                try:
                    answer = executor.submit(worker.process_id)
                finally:
                    log.listen()
                self.pid = answer.result(START_PATIENCE.total_seconds())
            except (BrokenProcessPool, TimeoutError, OSError) as error:
                for process in _started_beside(others):
                    process.kill()
                executor.shutdown(wait=False, cancel_futures=True)
                why = str(error) or "it does not answer"
                raise NodeFault(
                    f"the worker process does not start: {why}; see the log above"
                ) from error
            self._executor = executor
            self._process = next(iter(_started_beside(others)), None)
            self._kernel_kills = kernel_kills()
            logger.info("worker process %d started for %s", self.pid, self.name)
        return self.pid

    def submit(self, order: SegmentOrder) -> Future[SegmentReport]:
        """Have the worker do a segment. Raises NodeFault if it does not start."""
        self.start()
        assert self._executor is not None
        try:
            return self._executor.submit(worker.run_segment, order)
        except BrokenProcessPool as error:
            self.replace("it has died")
            raise NodeFault("the worker process has died") from error

    def prove(self) -> Future[str]:
        """Have it show that its engine computes, see `worker.prove_engine`. Raises NodeFault."""
        self.start()
        assert self._executor is not None
        self._proof = self._executor.submit(worker.prove_engine)
        return self._proof

    def replace(self, reason: str) -> None:
        """Kill the process, whatever it does; the next segment starts a new one."""
        if self._executor is None:
            return
        logger.warning("worker process %d is replaced: %s", self.pid, reason)
        self._end(kill=True)

    def rest(self) -> None:
        """End the process, which has nothing to do; the next segment starts a new one."""
        if self._executor is None or not (self._proof is None or self._proof.done()):
            return
        logger.info("worker process %d ends until there is work: %s is free", self.pid, self.name)
        self._end(kill=False)

    def stop(self) -> None:
        """End the process when it has done what it was asked for."""
        self._end(kill=False)

    def _end(self, *, kill: bool) -> None:
        executor, process = self._executor, self._process
        self._executor, self._process, self.pid = None, None, 0
        if executor is None:
            return
        if kill and process is not None:
            process.kill()
        executor.shutdown(wait=True, cancel_futures=True)


class LocalFleet:
    """This machine's devices, each with a worker process of its own."""

    def __init__(self, options: EngineOptions, devices: Sequence[str]) -> None:
        """Have a worker for each of `devices`; on a CPU that several share, each has its part."""
        shared = devices.count("cpu")
        if shared > 1 and options.threads is None:
            options = replace(options, threads=max(1, len(os.sched_getaffinity(0)) // shared))
        self._workers = [
            ProcessWorker(replace(options, device=device), name)
            for device, name in zip(devices, device_names(devices), strict=True)
        ]

    @property
    def fault(self) -> str | None:
        """None: a worker that does not start says so itself."""
        return None

    def workers(self) -> Sequence[ProcessWorker]:
        """Return all of them; a process is made when one is first asked."""
        return self._workers

    def prove(self) -> Sequence[Future[str]]:
        """Start the processes and have each show that its engine computes. Raises NodeFault."""
        return [one.prove() for one in self._workers]

    def stop(self) -> None:
        """End the processes when they have done what they were asked for."""
        for worker_ in self._workers:
            worker_.stop()


def _started_beside(others: set[BaseProcess]) -> list[BaseProcess]:
    """Return the children that multiprocessing has started since `others` were all."""
    return [one for one in multiprocessing.active_children() if one not in others]
