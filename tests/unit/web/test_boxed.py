from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest

from atelierd.errors import WorldFault
from atelierd.web.boxed import Boxes


def test_what_a_call_returns_or_raises_is_handed_on() -> None:
    async def run() -> None:
        boxes = Boxes()
        assert await boxes.run(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await boxes.run(lambda: 1 // 0)

    asyncio.run(run())


def test_a_call_that_hangs_is_given_up_and_what_it_returns_is_cleared_away() -> None:
    go_on, cleared = threading.Event(), threading.Event()
    dropped: list[str] = []

    def drop(what: str) -> None:
        dropped.append(what)
        cleared.set()

    def hang() -> str:
        assert go_on.wait(60)
        return "a file"

    async def run() -> None:
        boxes = Boxes(timedelta(milliseconds=10))
        with pytest.raises(WorldFault, match="has not answered"):
            await boxes.run(hang, drop)
        assert not dropped
        go_on.set()
        while not cleared.is_set():
            await asyncio.sleep(0.01)

    asyncio.run(run())
    assert dropped == ["a file"]


def test_what_comes_after_the_loop_has_ended_is_cleared_away_too() -> None:
    go_on, cleared = threading.Event(), threading.Event()

    def hang() -> str:
        assert go_on.wait(60)
        return "a file"

    async def run() -> None:
        with pytest.raises(WorldFault):
            await Boxes(timedelta(milliseconds=10)).run(hang, lambda _: cleared.set())

    asyncio.run(run())
    go_on.set()
    assert cleared.wait(60)


def test_only_so_many_calls_run_and_one_that_hangs_counts() -> None:
    go_on = threading.Event()

    async def run() -> None:
        boxes = Boxes(timedelta(milliseconds=10), most=2)
        for _ in range(3):
            with pytest.raises(WorldFault):
                await boxes.run(lambda: go_on.wait(60))
        hanging = [thread for thread in threading.enumerate() if thread.name == "web-call"]
        assert len(hanging) == 2
        go_on.set()
        for thread in hanging:
            thread.join(60)
        assert await Boxes().run(lambda: 7) == 7

    asyncio.run(run())


def test_all_who_wait_can_be_told_that_it_is_over() -> None:
    go_on = threading.Event()

    async def run() -> None:
        boxes = Boxes()
        asking = asyncio.create_task(boxes.run(lambda: go_on.wait(60)))
        await asyncio.sleep(0.05)
        boxes.close()
        with pytest.raises(WorldFault, match="is being stopped"):
            await asking

    asyncio.run(run())
    go_on.set()
