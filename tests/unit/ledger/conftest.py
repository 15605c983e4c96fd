from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from atelierd.ledger import Ledger
from atelierd.ledger.rows import FrozenInput, NewJob, NewRender


class Clock:
    """A clock that goes one second further at each look."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path, clock: Clock) -> Iterator[Ledger]:
    ledger = Ledger.open(path, clock=clock)
    yield ledger
    ledger.close()


MakeJob = Callable[..., NewJob]


@pytest.fixture
def new_job() -> MakeJob:
    def make(
        job_id: str, name: str = "skyline", renders: int = 1, failure: str | None = None
    ) -> NewJob:
        return NewJob(
            id=job_id,
            name=name,
            source=f"anna/{name}.yaml",
            submitted_at=datetime(2026, 3, 1, 21, 0, tzinfo=UTC),
            job_file_sha256=f"{job_id}-file",
            renders=tuple(NewRender(f"picture {i}", "{}", 200) for i in range(renders)),
            inputs=(FrozenInput(f"{job_id}-input", "art/starry.jpg", 1000),),
            failure=failure,
        )

    return make
