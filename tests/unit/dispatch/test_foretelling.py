"""How long renders take is foretold from their pictures' headers, once for each."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from atelierd.dispatch import foretelling as module
from atelierd.dispatch.foretelling import Foreteller
from atelierd.images import ImageLimits
from atelierd.jobs.frozen import FrozenImage, FrozenRender, FrozenStyle, input_path
from atelierd.jobs.presets import load_preset, shipped_config
from atelierd.jobs.resolved import resolve
from atelierd.jobs.schema import JobFile
from atelierd.ledger import Ledger
from atelierd.ledger.rows import NewJob, NewRender, Progress

Bench = Any


def freeze(state: Path, size: tuple[int, int]) -> FrozenImage:
    buffer = io.BytesIO()
    Image.new("RGB", size, "red").save(buffer, "PNG")
    data = buffer.getvalue()
    sha256 = hashlib.sha256(data).hexdigest()
    path = input_path(state, sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return FrozenImage(path="a.png", sha256=sha256)


@pytest.fixture
def add(bench: Bench) -> Callable[..., None]:
    def add(job_id: str, renders: int = 1, picture: FrozenImage | None = None, **keys: Any) -> None:
        defaults = load_preset("default", [shipped_config() / "presets"])
        image = picture or freeze(bench.state, (900, 600))
        frozen = FrozenRender(
            title=job_id,
            content=image,
            styles=(FrozenStyle(path=image.path, sha256=image.sha256, share=1.0),),
            init=None,
            settings=resolve(JobFile(content="a", style="a", **keys), defaults, defaults),
        )
        bench.ledger.add_job(
            NewJob(
                id=job_id,
                name=job_id,
                source="job.yaml",
                submitted_at=datetime(2026, 3, 1, tzinfo=UTC),
                job_file_sha256="0",
                renders=tuple(
                    NewRender(f"{job_id} {n}", frozen.model_dump_json(), 200)
                    for n in range(renders)
                ),
            )
        )

    return add


def foreteller(bench: Bench) -> Foreteller:
    return Foreteller(
        # A clock that stands: however slow the machine, one turn is enough.
        bench.ledger, bench.state, ImageLimits(), device="cpu", threads=2, clock=lambda: 0.0,
    )  # fmt: skip


def expected(ledger: Ledger, job_id: str) -> list[float | None]:
    return [render.expected_seconds for render in ledger.renders(job_id)]


def test_larger_and_longer_renders_are_foretold_to_take_longer(
    bench: Bench, add: Callable[..., None]
) -> None:
    add("small", size=128)
    add("large", size=512)
    add("long", size=512, iterations=400)
    foreteller(bench).turn()
    (small,), (large,), (longer,) = (expected(bench.ledger, n) for n in ("small", "large", "long"))
    assert small and large and longer and 0 < small < large < longer


def test_what_was_foretold_is_not_foretold_again(bench: Bench, add: Callable[..., None]) -> None:
    add("a", renders=3)
    foreteller(bench).turn()
    assert all(expected(bench.ledger, "a")) and len(set(expected(bench.ledger, "a"))) == 1
    assert bench.ledger.not_foretold(10) == []
    bench.ledger.begin_attempt("a.0", 1)
    bench.ledger.progress("a.0", Progress(10, 11, 1.0, 5.0, 0, 0, expected_seconds=50.0))
    bench.ledger.foretell({"a.0": 7.0})
    assert expected(bench.ledger, "a")[0] == 50.0, "its worker knows better"
    bench.ledger.progress("a.0", Progress(20, 21, 1.0, 9.0, 0, 0))
    assert expected(bench.ledger, "a")[0] == 50.0


def test_a_matrix_is_foretold_by_one_forecast_a_few_renders_at_each_turn(
    bench: Bench, add: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    add("matrix", renders=120)
    one = foreteller(bench)
    asked: list[Any] = []

    def forecast(*kind: Any) -> float:
        asked.append(kind)
        return 12.0

    monkeypatch.setattr(one, "_forecast", forecast)
    monkeypatch.setattr(module, "BOX", 1e9)
    one.turn()
    assert sum(value is not None for value in expected(bench.ledger, "matrix")) == module.AT_ONCE
    for _ in range(2):
        one.turn()
    assert expected(bench.ledger, "matrix") == [12.0] * 120 and len(asked) == 1


def test_a_render_that_will_fail_at_once_takes_no_time(
    bench: Bench, add: Callable[..., None]
) -> None:
    add("tiny", picture=freeze(bench.state, (16, 16)), size="original")
    add("gone", picture=FrozenImage(path="gone.png", sha256="f" * 64))
    foreteller(bench).turn()
    assert expected(bench.ledger, "tiny") == [0.0] and expected(bench.ledger, "gone") == [0.0]


def test_no_framework_is_loaded_for_it() -> None:
    code = "import sys, atelierd.dispatch.foretelling as f; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
