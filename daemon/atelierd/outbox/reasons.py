"""The text of `error.txt`: why a job failed, and what the person who dropped it can do."""

from __future__ import annotations

from collections.abc import Sequence

from atelierd.ledger.rows import JobRow, RenderRow
from atelierd.ledger.states import RenderState
from atelierd.outbox import layout


def error_text(job: JobRow, renders: Sequence[RenderRow]) -> str:
    """Return what `error.txt` says of a failed job, or of one some of whose renders failed."""
    failed = [render for render in renders if render.state is RenderState.FAILED]
    if not renders:
        lines = [f"The job {job.name} was not accepted.", "", job.reason, ""]
        lines.append(
            f"What to do: mend {layout.ORIGINAL}, which is the file that was read, and put it into "
            "the inbox again."
        )
        return "\n".join(lines) + "\n"
    if len(renders) == 1:
        lines = [f"The job {job.name} failed.", "", renders[0].reason, ""]
    else:
        lines = [f"Of the {len(renders)} renders of the job {job.name}, {len(failed)} failed.", ""]
        for render in failed:
            lines += [f"{render.title}: {render.reason}", ""]
    lines.append(
        f"What to do: mend the picture, or {layout.JOB_FILE}, which has every setting of the job, "
        f"and put {layout.JOB_FILE} into the inbox again."
    )
    # The pictures are frozen: whoever has mended one would be told the same again.
    lines.append(
        "Or, if the cause was not in them and is gone: put an empty file called retry into this "
        "folder. It takes the pictures as they were when the job was accepted."
    )
    return "\n".join(lines) + "\n"
