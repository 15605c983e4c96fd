from __future__ import annotations

from collections.abc import Callable

from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow
from atelierd.outbox.reasons import error_text

AddJob = Callable[..., JobRow]


def test_a_refused_job_file_is_told_its_fault_and_to_be_dropped_again(add_job: AddJob) -> None:
    job = add_job("a1", renders=0, failure="line 3: size: found -5")
    assert error_text(job, []) == (
        "The job skyline was not accepted.\n\n"
        "line 3: size: found -5\n\n"
        "What to do: mend job.original.yaml, which is the file that was read, and put it into the "
        "inbox again.\n"
    )


def test_a_failed_job_is_told_how_to_be_retried(ledger: Ledger, add_job: AddJob) -> None:
    add_job("a1")
    ledger.fail_render("a1.0", "the worker died three times")
    text = error_text(ledger.job("a1"), ledger.renders("a1"))
    assert "The job skyline failed.\n\nthe worker died three times\n" in text
    assert "mend the picture, or job.yaml" in text
    assert "put an empty file called retry into this folder" in text
    assert "takes the pictures as they were when the job was accepted" in text


def test_of_several_renders_each_failed_one_has_its_reason(ledger: Ledger, add_job: AddJob) -> None:
    add_job("a1", renders=5)
    for number in (1, 2, 3, 4):
        ledger.fail_render(f"a1.{number}", f"reason {number}")
    text = error_text(ledger.job("a1"), ledger.renders("a1"))
    assert text.startswith("Of the 5 renders of the job skyline, 4 failed.\n")
    assert all(f"picture {n}: reason {n}\n" in text for n in (1, 2, 3, 4))
    assert "picture 0" not in text
