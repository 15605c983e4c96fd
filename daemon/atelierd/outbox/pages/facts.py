"""The tables of a report: every setting and every figure of a render, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from atelierd.outbox.pages import text
from atelierd.outbox.pages.curve import TERMS, seconds_per_iteration, terms_of
from atelierd.outbox.pages.views import RenderView

#: Settings that stand together under `output` in a job file.
_OUTPUT = {"output_format": "output: format", "output_quality": "output: quality"}


@dataclass(frozen=True)
class Fact:
    """One line of a table."""

    name: str
    value: str
    #: A SHA-256: it proves something, and is not read.
    proof: str = ""


Table = tuple[str, tuple[Fact, ...]]


def tables_of(render: RenderView) -> tuple[Table, ...]:
    """Return the tables of one render, each with its heading."""
    tables = (
        ("Course", tuple(_course(render))),
        ("Settings", tuple(settings_facts(render, _precision(render)))),
        ("Computed with", tuple(_machine(render))),
        ("Pictures", tuple(_pictures(render))),
    )
    return tuple(table for table in tables if table[1])


def settings_facts(render: RenderView, precision: str | None) -> Iterator[Fact]:
    """Yield every setting under the name that it has in a job file.

    `precision` is what was found on the device, where the job may have left that open.
    """
    settings: dict[str, Any] = render.frozen.settings.model_dump(mode="json")
    if precision is not None:
        settings["precision"] = precision
    for key, value in settings.items():
        if key == "init" and render.frozen.init is not None:
            value = render.frozen.init.path
        yield Fact(_OUTPUT.get(key, key), _plain(value))


def _precision(render: RenderView) -> str | None:
    found = render.entry.receipt.settings.get("precision") if render.entry else None
    return found if isinstance(found, str) else None


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return _size(*value)
    if isinstance(value, float):
        return text.number(value)
    return str(value)


def _course(render: RenderView) -> Iterator[Fact]:
    if render.entry is None:
        if render.iteration:
            yield Fact("iterations", f"{render.iteration:,} of {render.iterations:,}")
            yield Fact("time", text.duration(render.seconds))
        return
    receipt = render.entry.receipt
    yield Fact("size", _size(receipt.width, receipt.height))
    yield Fact("iterations", f"{receipt.iterations:,}")
    yield Fact("evaluations", f"{receipt.evaluations:,}")
    yield Fact("time", text.duration(receipt.seconds))
    yield Fact("objective", text.number(receipt.objective))
    for name, value in terms_of(receipt.trace[-1]).items() if receipt.trace else ():
        yield Fact(f"objective: {TERMS[name]}", text.number(value))
    paces = seconds_per_iteration(receipt.phases, receipt.trace)
    for phase, pace in zip(receipt.phases, paces, strict=True):
        words = f"{text.several(phase.iterations, 'iteration')} in {phase.precision}"
        each = f", {pace:.3g} s each" if pace is not None else ""
        yield Fact(_size(phase.width, phase.height), words + each)


def _machine(render: RenderView) -> Iterator[Fact]:
    if render.entry is None:
        return
    receipt = render.entry.receipt
    if receipt.atelierd:
        yield Fact("atelierd", receipt.atelierd)
    for name, value in receipt.engine.items():
        yield Fact(name, "", value) if name == "weights" else Fact(name, value)


def _pictures(render: RenderView) -> Iterator[Fact]:
    for role, image in (("content", render.content), *(("style", s) for s in render.styles)):
        share = f" ({text.number(round(image.percent, 2))} %)" if image.percent else ""
        yield Fact(role, f"{image.path}{share}", image.sha256)
    for region in render.frozen.masks:
        for role, mask in zip(("content mask", "style mask"), region.images, strict=False):
            yield Fact(role, mask.path, mask.sha256)
    result = render.shots[-1].file if render.shots else None
    for file in render.entry.files if render.entry else ():
        if file.name == result:
            yield Fact("result", f"{file.name}, {text.size_of(file.size)}", file.sha256)


def _size(width: int, height: int) -> str:
    return f"{width} × {height}"  # noqa: RUF001
