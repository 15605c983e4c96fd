"""All that is known of one job: from the ledger, and from its folder in the outbox."""

from __future__ import annotations

import json
from typing import Any

from atelierd.cli.boxed import within
from atelierd.cli.overview import UNFINISHED, prospects_of
from atelierd.errors import WorldFault
from atelierd.ledger import Ledger
from atelierd.ledger.rows import AttemptRow, JobRow
from atelierd.outbox import layout
from atelierd.outbox.errors import FolderLostError
from atelierd.outbox.folder import JobFolder, folder_of, opened, regular_file
from atelierd.outbox.overview import job_status
from atelierd.settings import Settings

#: Seconds that the share has for its answer.
SHARE_SECONDS = 2.0
#: Files that are listed.
MOST_FILES = 10_000


def job_facts(settings: Settings, ledger: Ledger, job: JobRow) -> dict[str, Any]:
    """Return plain JSON data: what `status.json` says, and settings, inputs, attempts, files."""
    renders = ledger.renders(job.id)
    unfinished = ledger.jobs(UNFINISHED) if job.state in UNFINISHED else []
    prospects = prospects_of(settings, ledger, unfinished)
    facts = job_status(job, renders, prospects=prospects)
    for line, render in zip(facts["renders"], renders, strict=True):
        line["attempts"] = [_attempt(one) for one in ledger.attempts(render.id)]
    folder = folder_of(settings.outbox, job)
    files: list[dict[str, Any]] | None = None
    try:
        files = within(SHARE_SECONDS, lambda: _files(folder))
        fault = "the share does not answer" if files is None else ""
    except (FolderLostError, WorldFault) as error:
        fault = str(error)
    return {
        **facts,
        "settings": json.loads(job.settings),
        "inputs": [
            {"path": one.path, "size": one.size, "sha256": one.sha256}
            for one in ledger.inputs(job.id)
        ],
        "folder": str(folder.path),
        "folder_fault": fault,
        "files": files or [],
    }


def _attempt(attempt: AttemptRow) -> dict[str, Any]:
    finished = attempt.finished_at
    return {
        "number": attempt.number,
        "started": attempt.started_at.isoformat(timespec="seconds"),
        "finished": finished and finished.isoformat(timespec="seconds"),
        "seconds": finished and round((finished - attempt.started_at).total_seconds(), 1),
        "outcome": None if attempt.outcome is None else attempt.outcome.value,
        "reason": attempt.reason,
        "worker_pid": attempt.worker_pid,
    }


def _files(folder: JobFolder) -> list[dict[str, Any]]:
    """Return the files in the job's folder by name. Raises FolderLostError, WorldFault."""
    found = []
    with opened(folder) as here:
        for path in sorted(here.iterdir(), key=lambda path: path.name)[:MOST_FILES]:
            if path.name == layout.MARKER:
                continue
            with regular_file(path) as file:
                if file is not None:
                    found.append({"name": path.name, "size": path.lstat().st_size})
    return found
