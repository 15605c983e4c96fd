"""Which compiled objectives the server keeps; stand-ins for CNTK's graphs, memory counted out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

from atelierd.engines.cntk import server
from atelierd.engines.cntk.server import Cache, GoneError

RECIPE: dict[str, Any] = {"content": [], "style": [], "tv_weight": 1.0, "centered": True}
#: Bytes that the stand-ins take per pixel, and the server without any.
PER_PIXEL, BASE = 10, 1000

MakeCache = Callable[[int], Cache]


class Graph:
    """Takes memory with its first evaluation, as CNTK's do."""

    def __init__(self, network: Machine, recipe: object, height: int, width: int) -> None:
        self.network, self.pixels, self.token = network, height * width, 0

    def set_targets(self, content: object, style: object) -> None:
        pass

    def value_and_gradient(self, image: object) -> None:
        self.network.evaluated.append(self)


def graphs(cache: Cache) -> list[Graph]:
    return cast(list[Graph], list(cache.objectives.values()))


class Machine:
    def __init__(self) -> None:
        self.evaluated: list[Graph] = []
        self.cache: Cache

    def features(self, *_: object) -> tuple[dict[str, object], dict[str, object]]:
        return {}, {}

    def resident(self) -> int:
        held = [g for g in self.evaluated if g in graphs(self.cache)]
        return BASE + PER_PIXEL * sum(graph.pixels for graph in held)


@pytest.fixture
def make_cache(monkeypatch: pytest.MonkeyPatch) -> MakeCache:
    def make(limit: int) -> Cache:
        machine = Machine()
        machine.cache = Cache(cast(server.Network, machine), limit)
        monkeypatch.setattr(server, "Objective", Graph)
        monkeypatch.setattr(server, "resident", machine.resident)
        monkeypatch.setattr(server, "BYTES_PER_PIXEL", PER_PIXEL)
        machine.cache.bytes_per_pixel = PER_PIXEL
        return machine.cache

    return make


def compile_size(cache: Cache, side: int) -> dict[str, Any]:
    content = np.zeros((3, side, side), np.float32)
    return cache.compile({"recipe": RECIPE, "shares": []}, {"content": content})


def kept(cache: Cache) -> list[int]:
    return [round(graph.pixels**0.5) for graph in graphs(cache)]


def test_sizes_stay_compiled_as_long_as_there_is_memory(make_cache: MakeCache) -> None:
    cache = make_cache(BASE + PER_PIXEL * 300)
    assert [compile_size(cache, side)["compiled"] for side in (10, 10, 14, 10)] == [
        True,
        False,
        True,
        False,
    ]
    assert kept(cache) == [14, 10]


def test_the_least_recently_used_size_makes_room_for_a_new_one(make_cache: MakeCache) -> None:
    cache = make_cache(BASE + PER_PIXEL * 300)
    first = compile_size(cache, 10)["token"]
    compile_size(cache, 11)
    cache.objective(first)
    compile_size(cache, 12)
    assert kept(cache) == [10, 12]


def test_room_is_made_before_the_memory_is_taken(
    make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = make_cache(BASE + PER_PIXEL * 300)
    peak = []
    first_evaluation = Graph.value_and_gradient

    def evaluate(self: Graph, image: object) -> None:
        first_evaluation(self, image)
        peak.append(self.network.resident())

    monkeypatch.setattr(Graph, "value_and_gradient", evaluate)
    for side in (10, 12, 14, 16):
        compile_size(cache, side)
    assert max(peak) <= cache.limit


def test_a_size_that_is_over_the_limit_by_itself_is_compiled_alone(make_cache: MakeCache) -> None:
    cache = make_cache(BASE + PER_PIXEL * 300)
    for side in (10, 30):
        compile_size(cache, side)
    assert kept(cache) == [30]


def test_a_graph_that_took_more_than_was_thought_pushes_the_others_out(
    make_cache: MakeCache,
) -> None:
    cache = make_cache(BASE + PER_PIXEL * 300)
    compile_size(cache, 10)
    cache.bytes_per_pixel = 1.0
    compile_size(cache, 17)
    assert kept(cache) == [17]
    assert cache.bytes_per_pixel == PER_PIXEL


def test_a_token_outlives_neither_its_objective_nor_its_targets(make_cache: MakeCache) -> None:
    cache = make_cache(BASE + PER_PIXEL * 300)
    first = compile_size(cache, 10)["token"]
    second = compile_size(cache, 10)["token"]
    with pytest.raises(GoneError):
        cache.objective(first)
    compile_size(cache, 17)
    with pytest.raises(GoneError):
        cache.objective(second)
