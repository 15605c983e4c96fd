from atelierd.patience import TOLD_AFTER, Patience

AFTER = TOLD_AFTER.total_seconds()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_long_wait_is_told_once_and_again_when_it_has_doubled() -> None:
    told: list[str | None] = []
    clock = Clock()
    patience = Patience(told.append, clock)
    with patience.waiting_for("the inbox /share"):
        patience.look()
        assert not told
        clock.now = AFTER
        patience.look()
        patience.look()
        assert told == ["the inbox /share does not answer, for 10 s now; everything waits for it"]
        clock.now = 2 * AFTER
        patience.look()
    assert len(told) == 3
    assert told[-1] is None


def test_a_short_wait_is_not_told() -> None:
    told: list[str | None] = []
    clock = Clock()
    patience = Patience(told.append, clock)
    for _ in range(5):
        with patience.waiting_for("the inbox /share"):
            clock.now += 0.9 * AFTER
            patience.look()
        patience.look()
    assert not told


def test_its_thread_ends_with_it() -> None:
    with Patience(lambda _: None) as patience:
        assert patience._thread.is_alive()
    assert not patience._thread.is_alive()
