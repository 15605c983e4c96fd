"""The name of everything that lies in the outbox.

outbox/
    index.html              the page of the whole daemon: queue, waiting, finished, failed
    index_files/            what that page refreshes itself from
    status.json             the same for programs
    reports/                a page for each morning: what the day and the night before have brought
    skyline/
        .atelierd-job       the job's id: proof that the folder is this job's
        job.original.yaml   the job file as it was dropped, byte for byte
        job.yaml            the job with every setting written out: put into an inbox that has the
                            same pictures, it gives the same result. A refused job has none
        skyline-0040.png    a snapshot, after 40 iterations
        skyline.png         the result
        contact-sheet.jpg   all of it in one picture
        report.html         how it was made, as a page
        report_files/       the page's small pictures and figures; of a matrix, a page per render
        result.json         finished renders: files with sizes and hashes, and how they were made
        status.json         how far the job is
        error.txt           why it failed and what to do
        answer.txt          what was done about a `cancel`, `hold`, `release` or `retry` file

A job's folder can be taken away or deleted when its pictures have been fetched: then the job leaves
the index page, too.
"""

from __future__ import annotations

import re

INDEX = "index.html"
INDEX_FILES = "index_files"
REPORTS = "reports"
MARKER = ".atelierd-job"
ORIGINAL = "job.original.yaml"
JOB_FILE = "job.yaml"
REPORT = "report.html"
REPORT_FILES = "report_files"
SHEET = "contact-sheet.jpg"
#: In `report_files`, of each finished render: what `result.json` says of it, alone.
RECEIPT = "receipt.json"
RESULT = "result.json"
STATUS = "status.json"
ERROR = "error.txt"
ANSWER = "answer.txt"

#: Names in the outbox that no job's folder may have, whatever the letters' case.
RESERVED = frozenset({INDEX, INDEX_FILES, REPORTS, STATUS})

_LIKE_A_SNAPSHOT = re.compile(r".*-(\d{4,}|result)", re.DOTALL)


def snapshot_name(title: str, iteration: int, extension: str) -> str:
    """Return the file name of a render's snapshot: `skyline-0040.png`."""
    return f"{title}-{iteration:04d}.{extension}"


def of_render(index: int, name: str) -> str:
    """Return the name in `report_files` of what belongs to one render alone: `0003-now.jpg`."""
    return f"{index:04d}-{name}"


def result_name(title: str, extension: str) -> str:
    """Return the file name of a render's result: `skyline.png`.

    A title that itself ends like a snapshot's name (`frame-0040`), or would have the name of the
    contact sheet, gets `-result` added, so that the result of one render is never anything else.
    """
    name = f"{title}.{extension}"
    if _LIKE_A_SNAPSHOT.fullmatch(title) or name.casefold() == SHEET:
        return f"{title}-result.{extension}"
    return name
