"""Work folders that a kill has left behind, or that are kept for a retry which nobody asked for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from atelierd.ledger.errors import UnknownJobError
from atelierd.ledger.reader import LedgerReader
from atelierd.ledger.states import RENDER_FINISHED, RenderState
from atelierd.render.segment import clear_work


def sweep_work(state: Path, ledger: LedgerReader, before: datetime) -> Iterator[Path]:
    """Remove the work folders that no render goes on from, and give each.

    Those of renders that failed or were cancelled are kept until their jobs have been finished
    since `before`; so are folders that this ledger knows nothing of, by their age. Raises
    WorldFault, OSError.
    """
    for folder in sorted((state / "renders").glob("*")):
        if _is_left_over(folder, ledger, before):
            clear_work(folder)
            yield folder


def _is_left_over(folder: Path, ledger: LedgerReader, before: datetime) -> bool:
    try:
        render = ledger.render(folder.name)
    except UnknownJobError:
        return datetime.fromtimestamp(folder.stat().st_mtime, UTC) < before
    if render.state is RenderState.DONE:
        return True
    finished_at = ledger.job_by_id(render.job_id).finished_at
    return render.state in RENDER_FINISHED and finished_at is not None and finished_at < before
