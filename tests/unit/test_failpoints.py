from collections import Counter

import pytest

from atelierd import failpoints


@pytest.fixture
def deaths(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    died: list[str] = []
    monkeypatch.setattr(failpoints, "die", lambda: died.append("died"))
    monkeypatch.setattr(failpoints, "_passed", Counter())
    return died


def test_a_failpoint_does_nothing_where_the_environment_names_none(
    deaths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(failpoints.VARIABLE, raising=False)
    failpoints.failpoint("accept.claimed")
    assert not deaths


def test_only_the_failpoint_that_is_named_kills(
    deaths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(failpoints.VARIABLE, "accept.claimed")
    failpoints.failpoint("accept.recorded")
    assert not deaths
    failpoints.failpoint("accept.claimed")
    assert deaths == ["died"]


def test_a_number_says_at_which_passing_it_kills(
    deaths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(failpoints.VARIABLE, "accept.claimed:3")
    failpoints.failpoint("accept.claimed")
    failpoints.failpoint("accept.claimed")
    assert not deaths
    failpoints.failpoint("accept.claimed")
    assert deaths == ["died"]
