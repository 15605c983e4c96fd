"""SciPy's L-BFGS-B, the tutorial's minimizer, turned inside out so that it can be stepped.

SciPy calls the objective; a render wants to call the minimizer. So SciPy runs in a thread of its
own that hands over each point to be evaluated and waits. Only one of the two threads ever runs.

SciPy gives nothing to go on from inside a run, so the state is the last restart: the runs are
deterministic, and a restored minimizer repeats the iterations since then, bit for bit. That is why
there has to be a restart now and then.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from atelierd.engines.base import Array
from atelierd.render.minimizers.base import LONGEST_RUN, Problem, State, Step

Vector = NDArray[np.float64]


class _Abandoned(BaseException):
    """Ends SciPy's thread: nobody wants the rest of its run."""


class _Run:
    """One `scipy.optimize.minimize` in its own thread, answering one iteration at a time."""

    def __init__(self, x: Vector, bounds: tuple[float, float], max_iterations: int) -> None:
        self._questions: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[float, Vector] | None] = queue.SimpleQueue()
        self._arguments = (x, bounds, max_iterations)
        self._thread = threading.Thread(target=self._minimize, name="l-bfgs-b", daemon=True)
        self._thread.start()

    def next_question(self) -> tuple[str, Any]:
        """Return ("evaluate", x), ("iterated", x), ("ended", result) or ("raised", error)."""
        return self._questions.get()

    def answer(self, value: float, gradient: Vector) -> None:
        """Answer an "evaluate"."""
        self._answers.put((value, gradient))

    def go_on(self) -> None:
        """Answer an "iterated"."""
        self._answers.put((0.0, np.empty(0)))

    def abandon(self) -> None:
        """End the thread wherever it waits."""
        self._answers.put(None)
        self._thread.join()

    def _minimize(self) -> None:
        x, bounds, max_iterations = self._arguments
        try:
            # Its products of vectors are too short for threads, which would rather fight with the
            # framework's over the cores: a tenth of a second in each iteration.
            with threadpool_limits(1, user_api="blas"):
                result = scipy.optimize.minimize(
                    self._evaluate,
                    x,
                    jac=True,
                    method="L-BFGS-B",
                    bounds=scipy.optimize.Bounds(*bounds),
                    callback=self._iterated,
                    options={"maxiter": max_iterations, "maxfun": 10**9},
                )
        except _Abandoned:
            return
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits for it
            self._questions.put(("raised", error))
            return
        self._questions.put(("ended", result))

    def _evaluate(self, x: Vector) -> tuple[float, Vector]:
        return self._ask("evaluate", x)

    def _iterated(self, intermediate_result: scipy.optimize.OptimizeResult) -> None:
        self._ask("iterated", np.array(intermediate_result.x))

    def _ask(self, kind: str, x: Vector) -> tuple[float, Vector]:
        self._questions.put((kind, x))
        answer = self._answers.get()
        if answer is None:
            self._unwind()
        return answer

    @staticmethod
    def _unwind() -> NoReturn:
        raise _Abandoned


class ScipyLbfgsb:
    """L-BFGS-B in double precision, its history dropped every `restart_every` iterations.

    It is dropped after LONGEST_RUN of them in any case.
    """

    def __init__(self, problem: Problem, x: Array, restart_every: int) -> None:
        self._problem = problem
        self._like = x
        self._restart_every = min(restart_every, LONGEST_RUN)
        self._base = self._to_vector(x.clip(problem.lower, problem.upper))
        self._x = self._base
        self._since_restart = 0
        self._to_skip = 0
        self._value = float("nan")
        self._run: _Run | None = None

    @property
    def x(self) -> Array:
        """The flat vector after the last iteration, of the engine's kind, in single precision."""
        return self._to_array(self._x)

    def step(self) -> Step:
        """Go on to SciPy's next iteration, restarting it where its run ends."""
        evaluations = 0
        while True:
            if self._run is None:
                bounds = (self._problem.lower, self._problem.upper)
                self._run = _Run(self._base, bounds, self._restart_every)
            kind, subject = self._run.next_question()
            if kind == "evaluate":
                evaluations += 1
                self._answer(self._run, subject)
            elif kind == "iterated":
                self._x = subject
                self._since_restart += 1
                self._run.go_on()
                if self._since_restart == self._restart_every:
                    self._end_run(self._run.next_question()[1])
                if self._to_skip:
                    # This iteration was counted when it was done for the first time.
                    self._to_skip -= 1
                    evaluations = 0
                else:
                    return Step(self._value, evaluations)
            elif kind == "ended":
                stuck = self._since_restart == 0
                self._end_run(subject)
                if stuck:
                    return Step(self._value, evaluations, (_reason(subject),), converged=True)
            else:
                self.close()
                raise subject

    def _answer(self, run: _Run, x: Vector) -> None:
        try:
            value, gradient = self._problem.evaluate(self._to_array(x))
            self._value = self._problem.read([value])[0]
        except BaseException:
            self.close()
            raise
        run.answer(self._value, self._to_vector(gradient))

    def _end_run(self, result: scipy.optimize.OptimizeResult) -> None:
        """Make the end of a run the point that the next one starts from, without a history."""
        if self._run is not None:
            self._run.abandon()
            self._run = None
        self._base = self._x = result.x
        self._value = float(result.fun)
        self._since_restart = 0

    def state(self) -> State:
        """Return the point, the last restart's, and how many iterations have followed that."""
        return {
            "x": self._x,
            "base": self._base,
            "since_restart": self._since_restart + self._to_skip,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Be where `state` was; the next step begins by repeating what followed the restart."""
        self.close()
        self._base = np.array(state["base"], np.float64)
        self._x = np.array(state["x"], np.float64)
        self._to_skip = int(state["since_restart"])
        self._since_restart = 0

    def close(self) -> None:
        """End SciPy's thread; a step after that goes on from the last restart, to the same end."""
        if self._run is not None:
            self._run.abandon()
            self._run = None
            self._to_skip += self._since_restart
            self._since_restart = 0

    def _to_vector(self, x: Array) -> Vector:
        return np.asarray(x if isinstance(x, np.ndarray) else x.cpu().numpy(), np.float64)

    def _to_array(self, x: Vector) -> Array:
        single = x.astype(np.float32)
        if isinstance(self._like, np.ndarray):
            return single
        return self._like.new_tensor(single)


def _reason(result: scipy.optimize.OptimizeResult) -> str:
    return f"L-BFGS-B has converged: {result.message}"
