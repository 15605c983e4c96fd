from __future__ import annotations

from atelierd.dispatch.pause import FIRST_RETRY, LAST_RETRY, Pause


def test_it_doubles_while_the_trouble_lasts_up_to_a_minute() -> None:
    pause, now, lengths = Pause(), 0.0, []
    for _ in range(9):
        pause.begin("the share is gone", now)
        begun = now
        while pause.lasts(now):
            now += 0.5
        lengths.append(now - begun)
    assert lengths == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert (FIRST_RETRY, LAST_RETRY) == (1.0, 60.0)


def test_it_begins_short_again_after_it_was_over() -> None:
    pause = Pause()
    for now in (0.0, 1.0, 3.0):
        pause.begin("full", now)
    assert pause.end() and not pause.end()
    assert pause.reason is None and not pause.lasts(3.5)
    pause.begin("full", 10.0)
    assert pause.lasts(10.9) and not pause.lasts(11.0)


def test_it_says_whether_the_reason_is_news() -> None:
    pause = Pause()
    assert pause.begin("full", 0.0)
    assert not pause.begin("full", 1.0)
    assert pause.begin("gone", 3.0)
    assert pause.reason == "gone"
