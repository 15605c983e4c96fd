"""Random operations, legal and not: the ledger never contradicts itself."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from atelierd.ledger import Ledger
from atelierd.ledger.errors import ActionRefusedError, IllegalTransitionError
from atelierd.ledger.reader import LedgerReader
from atelierd.ledger.rows import NewJob, NewRender, Progress
from atelierd.ledger.states import (
    JOB_FINISHED,
    JOB_TRANSITIONS,
    RENDER_FINISHED,
    RENDER_TRANSITIONS,
    Action,
    JobState,
    Outcome,
    RenderState,
    derive_job_state,
)


class LedgerMachine(RuleBasedStateMachine):
    """Every job is remembered with its renders; after each step the whole ledger is audited."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "ledger.sqlite"
        self.ledger = Ledger.open(self.path)
        self.sizes: dict[str, int] = {}
        self.before: dict[str, JobState | RenderState] = {}

    def teardown(self) -> None:
        self.ledger.close()
        self.folder.cleanup()

    def pick(self, data: st.DataObject) -> str:
        job_id = data.draw(st.sampled_from(sorted(self.sizes)))
        return f"{job_id}.{data.draw(st.integers(0, self.sizes[job_id] - 1))}"

    @initialize()
    def begin_with_a_job(self) -> None:
        self.add(0, 2)

    @rule(number=st.integers(0, 2), renders=st.integers(1, 3))
    def add(self, number: int, renders: int) -> None:
        job_id = f"j{number}"
        new = NewJob(
            id=job_id,
            name="night",
            source="night.yaml",
            submitted_at=self.ledger._clock(),
            job_file_sha256="0",
            renders=tuple(NewRender(str(i), "{}", 10) for i in range(renders)),
        )
        self.ledger.add_job(new)
        self.sizes.setdefault(job_id, renders)

    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.tried(lambda: self.ledger.begin_attempt(self.pick(data), 1))

    @rule(data=st.data(), saved=st.booleans())
    def progress(self, data: st.DataObject, saved: bool) -> None:
        self.ledger.progress(self.pick(data), Progress(5, 6, 1.0, 2.0, 0, 1), saved=saved)

    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        self.tried(lambda: self.ledger.finish_render(self.pick(data)))

    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        self.tried(lambda: self.ledger.fail_render(self.pick(data), "bad"))

    @rule(data=st.data(), outcome=st.sampled_from(Outcome))
    def requeue(self, data: st.DataObject, outcome: Outcome) -> None:
        self.tried(lambda: self.ledger.requeue_render(self.pick(data), outcome))

    @rule(data=st.data(), action=st.sampled_from(Action))
    def act(self, data: st.DataObject, action: Action) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.sizes)))
        self.tried(lambda: self.ledger.act(action, job_id))

    @precondition(lambda self: RenderState.RUNNING in self.before.values())
    @rule()
    def kill_and_restart(self) -> None:
        # What a killed process leaves is what another connection sees.
        other = Ledger.open(self.path)
        other.recover()
        self.ledger.close()
        self.ledger = other

    def tried(self, step: object) -> None:
        assert callable(step)
        try:
            step()
        except (IllegalTransitionError, ActionRefusedError):
            assert self.states() == self.before

    def states(self) -> dict[str, JobState | RenderState]:
        found: dict[str, JobState | RenderState] = {}
        for job in self.ledger.jobs():
            found[job.id] = job.state
            found |= {render.id: render.state for render in self.ledger.renders(job.id)}
        return found

    @invariant()
    def no_job_is_lost_or_doubled(self) -> None:
        jobs = self.ledger.jobs()
        assert sorted(job.id for job in jobs) == sorted(self.sizes)
        assert len({job.folder for job in jobs}) == len(jobs)
        for job in jobs:
            assert len(self.ledger.renders(job.id)) == self.sizes[job.id]

    @invariant()
    def each_job_is_in_the_state_that_its_renders_say(self) -> None:
        for job in self.ledger.jobs():
            states = [render.state for render in self.ledger.renders(job.id)]
            assert job.state is derive_job_state(states, held=job.state is JobState.HELD)
            assert (job.finished_at is not None) == (job.state in JOB_FINISHED)

    @invariant()
    def each_change_was_one_that_the_tables_allow(self) -> None:
        now = self.states()
        for name, state in now.items():
            was = self.before.get(name, state)
            if isinstance(state, JobState) and isinstance(was, JobState):
                assert state is was or state in JOB_TRANSITIONS[was]
            elif isinstance(state, RenderState) and isinstance(was, RenderState):
                assert state is was or state in RENDER_TRANSITIONS[was]
        self.before = now

    @invariant()
    def an_attempt_is_open_exactly_while_its_render_runs(self) -> None:
        for job in self.ledger.jobs():
            for render in self.ledger.renders(job.id):
                attempts = self.ledger.attempts(render.id)
                open_ones = [a.number for a in attempts if a.finished_at is None]
                running = render.state is RenderState.RUNNING
                assert open_ones == ([len(attempts)] if running else [])
                assert 0 <= render.attempts <= len(attempts)

    @invariant()
    def what_can_run_is_exactly_what_is_queued_in_jobs_that_may_go_on(self) -> None:
        expected = set()
        for job in self.ledger.jobs((JobState.QUEUED, JobState.RUNNING)):
            queued = [r for r in self.ledger.renders(job.id) if r.state is RenderState.QUEUED]
            expected |= {render.id for render in queued[:1]}
        remembered = self.ledger.runnable()
        assert {render.render_id for render in remembered} == expected
        # How far they are counts when they are queued again; here, others are moved on, too.
        found = LedgerReader.runnable(self.ledger)
        assert [replace(one, iteration=0) for one in remembered] == [
            replace(one, iteration=0) for one in found
        ]

    @invariant()
    def counts_add_up(self) -> None:
        counts = self.ledger.counts()
        assert sum(counts.jobs.values()) == len(self.sizes)
        assert sum(counts.renders.values()) == sum(self.sizes.values())
        unfinished = sum(counts.renders[s] for s in set(RenderState) - RENDER_FINISHED)
        assert (unfinished == 0) == all(job.state in JOB_FINISHED for job in self.ledger.jobs())


LedgerMachine.TestCase.settings = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
test_random_operations_leave_every_job_consistent = LedgerMachine.TestCase
