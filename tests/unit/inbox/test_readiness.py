from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from atelierd.inbox.readiness import StabilityTracker
from atelierd.jobs.paths import FileIdentity

SETTLE = timedelta(seconds=5)
SMALL, GROWN = FileIdentity(1, 10, 7), FileIdentity(2, 20, 7)


def test_rule_01_a_first_reading_is_never_quiet_not_even_without_settling() -> None:
    tracker = StabilityTracker(timedelta())
    assert not tracker.observe("x", SMALL, 0)
    assert tracker.observe("x", SMALL, 0)


def test_rule_01_a_file_is_quiet_when_readings_settle_apart_agree() -> None:
    tracker = StabilityTracker(SETTLE)
    assert not tracker.observe("x", SMALL, 100)
    assert not tracker.observe("x", SMALL, 104.9)
    assert tracker.observe("x", SMALL, 105)
    assert tracker.observe("x", SMALL, 106)


def test_rule_01_each_change_starts_the_wait_again() -> None:
    tracker = StabilityTracker(SETTLE)
    tracker.observe("x", SMALL, 0)
    assert not tracker.observe("x", GROWN, 5)
    assert not tracker.observe("x", GROWN, 9)
    assert tracker.observe("x", GROWN, 10)


def test_rule_01_size_time_and_inode_all_count() -> None:
    for changed in (FileIdentity(2, 10, 7), FileIdentity(1, 11, 7), FileIdentity(1, 10, 8)):
        tracker = StabilityTracker(SETTLE)
        tracker.observe("x", SMALL, 0)
        assert not tracker.observe("x", changed, 5)


def test_rule_01_a_quiet_file_that_changes_is_no_longer_quiet() -> None:
    tracker = StabilityTracker(SETTLE)
    tracker.observe("x", SMALL, 0)
    assert tracker.observe("x", SMALL, 5)
    assert not tracker.observe("x", GROWN, 6)


def test_rule_02_a_file_renamed_into_place_is_quiet_at_once() -> None:
    tracker = StabilityTracker(SETTLE)
    tracker.renamed_into_place("x", SMALL, 0)
    assert tracker.observe("x", SMALL, 0)


def test_rule_02_a_write_after_the_rename_falls_back_to_the_ordinary_test() -> None:
    tracker = StabilityTracker(SETTLE)
    tracker.renamed_into_place("x", SMALL, 0)
    assert not tracker.observe("x", GROWN, 0)
    assert tracker.observe("x", GROWN, 5)


def test_what_is_not_kept_is_forgotten() -> None:
    tracker = StabilityTracker(SETTLE)
    tracker.observe("x", SMALL, 0)
    tracker.observe("y", SMALL, 0)
    tracker.keep_only({"y", "never seen"})
    assert not tracker.observe("x", SMALL, 5)
    assert tracker.observe("y", SMALL, 5)


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 2)), max_size=30))
def test_rule_01_quiet_means_that_nothing_was_seen_to_change_for_as_long_as_settling(
    steps: list[tuple[float, int]],
) -> None:
    tracker = StabilityTracker(SETTLE)
    now, readings = 0.0, []
    for pause, size in steps:
        now += pause
        readings.append((now, size))
        run_began = now
        for at, seen in reversed(readings):
            if seen != size:
                break
            run_began = at
        assert tracker.observe("x", size, now) == (now - run_began >= 5 and run_began < now)
