from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from atelierd.dispatch.order import Shares, next_render, owner_of, preempts
from atelierd.ledger.rows import RunnableRender


def runnable(sequence: int, **facts: object) -> RunnableRender:
    render = RunnableRender(
        render_id=f"{sequence}.0",
        job_id=str(sequence),
        index=0,
        sequence=sequence,
        priority=0,
        source="anna/job.yaml",
        iteration=0,
    )
    return replace(render, **facts)  # type: ignore[arg-type]


RENDERS = st.lists(
    st.builds(
        runnable,
        st.integers(1, 1000),
        priority=st.integers(-3, 3),
        iteration=st.sampled_from((0, 0, 0, 7)),
        source=st.sampled_from(("anna/a.yaml", "bert/deep/b.yaml", "c.yaml")),
    ),
    max_size=12,
    unique_by=lambda render: render.sequence,
)
HAD = st.dictionaries(st.sampled_from(("anna", "bert/deep", "")), st.floats(0, 1e6))


def test_nothing_waits_where_nothing_is() -> None:
    assert next_render([], {}) is None


@given(RENDERS, HAD)
@settings(max_examples=200, deadline=None)
def test_the_choice_is_never_less_urgent_than_another(
    waiting: list[RunnableRender], had: dict[str, float]
) -> None:
    chosen = next_render(waiting, had)
    assert (chosen is None) == (not waiting)
    if chosen is None:
        return
    for other in waiting:
        assert other.priority <= chosen.priority
        if other.priority == chosen.priority and other is not chosen:
            assert chosen.iteration or not other.iteration
            if bool(chosen.iteration) == bool(other.iteration):
                mine, theirs = (had.get(owner_of(r.source), 0.0) for r in (chosen, other))
                assert mine <= theirs
                if mine == theirs:
                    assert chosen.sequence < other.sequence


@given(RENDERS, HAD, st.randoms())
@settings(max_examples=100, deadline=None)
def test_the_choice_does_not_depend_on_the_order_of_the_rows(
    waiting: list[RunnableRender], had: dict[str, float], random: object
) -> None:
    shuffled = waiting.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert next_render(shuffled, had) == next_render(waiting, had)


def test_only_the_more_urgent_preempts() -> None:
    assert preempts(runnable(1, priority=1), 0)
    assert not preempts(runnable(1, priority=0), 0)
    assert not preempts(runnable(1, priority=-1), 0)


def test_the_owner_is_the_folder_of_the_inbox() -> None:
    assert owner_of("anna/job.yaml") == "anna"
    assert owner_of("teams/red/job.yaml") == "teams/red"
    assert owner_of("job.yaml") == ""


def served(waiting: list[RunnableRender], shares: Shares, seconds: float, rounds: int) -> list[str]:
    """Serve the queue, each render `seconds` long; return whose turn it was."""
    turns = []
    for _ in range(rounds):
        chosen = next_render(waiting, shares.of(waiting))
        if chosen is None:
            break
        waiting.remove(chosen)
        shares.charge(chosen.source, seconds)
        turns.append(owner_of(chosen.source))
    return turns


def test_one_person_with_one_job_does_not_wait_for_another_with_a_thousand() -> None:
    waiting = [runnable(i, source=f"anna/{i}.yaml") for i in range(1, 1001)]
    waiting.append(runnable(1001, source="bert/one.yaml"))
    assert "bert" in served(waiting, Shares(), 100.0, 2)


@given(st.integers(2, 5), st.integers(1, 30), st.floats(0.1, 1000))
@settings(max_examples=100, deadline=None)
def test_people_who_all_wait_get_turns_of_the_same_length(
    people: int, jobs: int, seconds: float
) -> None:
    waiting = [
        runnable(1 + person * jobs + i, source=f"{person}/{i}.yaml")
        for person in range(people)
        for i in range(jobs)
    ]
    turns = served(waiting, Shares(), seconds, people * jobs)
    for end in range(1, len(turns) + 1):
        counts = [turns[:end].count(str(person)) for person in range(people)]
        assert max(counts) - min(counts) <= 1


def test_who_comes_anew_starts_level_and_neither_takes_all_nor_waits_for_long() -> None:
    shares = Shares()
    waiting = [runnable(i, source=f"anna/{i}.yaml") for i in range(1, 101)]
    served(waiting, shares, 100.0, 50)
    waiting += [runnable(200 + i, source=f"bert/{i}.yaml") for i in range(50)]
    turns = served(waiting, shares, 100.0, 20)
    assert 9 <= turns.count("bert") <= 11
    # Bert has all he wanted, is away for a night, and comes back.
    waiting = [render for render in waiting if owner_of(render.source) == "anna"]
    served(waiting, shares, 100.0, 10)
    waiting += [runnable(300 + i, source=f"bert/again{i}.yaml") for i in range(10)]
    assert 4 <= served(waiting, shares, 100.0, 10).count("bert") <= 6


def test_a_clock_that_goes_back_gives_nothing_back() -> None:
    shares = Shares()
    shares.charge("anna/a.yaml", 10.0)
    shares.charge("anna/a.yaml", -20.0)
    assert shares.of([runnable(1)]) == {"anna": 10.0}
