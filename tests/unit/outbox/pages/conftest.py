"""Jobs with real specs, and what a run would have left of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import product
from typing import Any

import pytest
from PIL import Image

from atelierd.jobs.frozen import FrozenImage, FrozenRender, FrozenStyle
from atelierd.jobs.presets import load_preset, shipped_config
from atelierd.jobs.resolved import resolve
from atelierd.jobs.schema import JobFile
from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow, NewJob, NewRender, Progress

Blend = Mapping[str, float]


@pytest.fixture
def new_job(ledger: Ledger) -> Callable[..., JobRow]:
    """Return a function that records a job: contents times styles, each a path or a blend."""

    def add(
        job_id: str = "a1",
        name: str = "evening",
        contents: Sequence[str] = ("skyline.jpg",),
        styles: Sequence[str | Blend] = ("art/whirls.jpg",),
        failure: str | None = None,
        priority: int = 0,
        **keys: Any,
    ) -> JobRow:
        presets = [shipped_config() / "presets"]
        defaults = load_preset("default", presets)
        settings = resolve(JobFile(content="a", style="a", **keys), defaults, defaults)
        renders = []
        for index, (content, style) in enumerate(product(contents, styles)):
            blend = {style: 1.0} if isinstance(style, str) else style
            frozen = FrozenRender(
                title=f"picture {index}",
                content=FrozenImage(path=content, sha256=sha256(content)),
                styles=tuple(
                    FrozenStyle(path=path, sha256=sha256(path), share=share)
                    for path, share in blend.items()
                ),
                init=None,
                settings=settings,
            )
            renders.append(NewRender(frozen.title, frozen.model_dump_json(), 200))
        return ledger.add_job(
            NewJob(
                id=job_id,
                name=name,
                source=f"anna/{name}.yaml",
                submitted_at=datetime(2026, 3, 1, 21, 0, tzinfo=UTC),
                job_file_sha256="0",
                priority=priority,
                renders=() if failure else tuple(renders),
                failure=failure,
            )
        )

    return add


@pytest.fixture
def work(ledger: Ledger) -> Callable[..., None]:
    """Return a function that takes a render to an iteration, and to its end if that is the last."""

    def advance(render_id: str, iteration: int = 200, seconds: float = 60.0) -> None:
        if ledger.render(render_id).state == "queued":
            ledger.begin_attempt(render_id, 1)
        ledger.progress(render_id, Progress(iteration, iteration + 9, 1e5, seconds, 0, 1))
        if iteration == 200:
            ledger.finish_render(render_id)

    return advance


def sha256(path: str) -> str:
    """Return a stand-in for the hash of the picture at `path`."""
    return (path.encode().hex() + "0" * 64)[:64]


@pytest.fixture
def copy() -> bytes:
    """A small copy of a picture."""
    file = io.BytesIO()
    Image.new("RGB", (120, 90), (200, 90, 40)).save(file, "jpeg")
    return file.getvalue()


@pytest.fixture
def receipt() -> dict[str, Any]:
    """A receipt as a worker writes it, of a render over two scales."""
    steps = [
        {
            "iteration": i,
            "width": 64 if i <= 100 else 128,
            "height": 48 if i <= 100 else 96,
            "value": 1e7 / i,
            "evaluations": i + 9,
            "seconds": round(0.1 * i, 3) if i <= 100 else round(10 + 0.4 * (i - 100), 3),
        }
        for i in range(1, 201)
    ]
    return {
        "atelierd": "0.1.0",
        "width": 128,
        "height": 96,
        "iterations": 200,
        "evaluations": 209,
        "seconds": 50.0,
        "objective": 5e4,
        "engine": {"engine": "torch", "version": "2.13", "device": "cpu", "weights": "ab" * 32},
        "content": {"path": "skyline.jpg", "sha256": "cd" * 32},
        "styles": [],
        "settings": {"precision": "fp32"},
        "phases": [
            {"width": 64, "height": 48, "iterations": 100, "precision": "bf16"},
            {"width": 128, "height": 96, "iterations": 100, "precision": "fp32"},
        ],
        "notes": ["skyline.jpg: colors converted"],
        "snapshots": [50, 100, 150],
        "trace": steps,
    }


class Markup(HTMLParser):
    """What a browser would see: tags with their attributes, and the text of each element."""

    def __init__(self, html: str | bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html if isinstance(html, str) else html.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        """All text with single spaces."""
        return " ".join(" ".join(self.words).split())

    @property
    def shape(self) -> list[tuple[str, list[str]]]:
        """The tags and the names of their attributes: what no name may change."""
        return [(tag, sorted(attributes)) for tag, attributes in self.tags]

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of each element of this kind."""
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def markup() -> type[Markup]:
    return Markup
