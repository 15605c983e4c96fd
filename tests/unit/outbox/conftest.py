from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow, NewJob, NewRender
from atelierd.outbox.folder import JobFolder, open_job_folder
from atelierd.share import init_share

JOB_FILE = b"content: skyline.jpg\nstyle: starry.jpg\n"


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    init_share(tmp_path / "share")
    return tmp_path / "share" / "outbox"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    yield ledger
    ledger.close()


AddJob = Callable[..., JobRow]


@pytest.fixture
def add_job(ledger: Ledger) -> AddJob:
    def add(job_id: str, name: str = "skyline", renders: int = 1, failure: str | None = None
            ) -> JobRow:  # fmt: skip
        return ledger.add_job(
            NewJob(
                id=job_id,
                name=name,
                source=f"anna/{name}.yaml",
                submitted_at=datetime(2026, 3, 1, 21, 0, tzinfo=UTC),
                job_file_sha256="0",
                renders=tuple(NewRender(f"picture {i}", "{}", 200) for i in range(renders)),
                failure=failure,
            )
        )

    return add


@pytest.fixture
def folder(outbox: Path, add_job: AddJob) -> JobFolder:
    return open_job_folder(outbox, add_job("a1"), JOB_FILE)
