"""When a job wants to be worked on, in moments: what its file says, at the time it was dropped."""

from __future__ import annotations

from datetime import UTC, datetime

from atelierd.complaints import Place
from atelierd.jobs.placed import PlacedFault
from atelierd.jobs.schema import JobFile
from atelierd.schedule.reading import read_moment
from atelierd.schedule.timetable import Timetable, Wishes
from atelierd.schedule.windows import HORIZON


def wishes_of(job: JobFile, timetable: Timetable, dropped: datetime) -> Wishes:
    """Return when `job`, which was `dropped` then, wants to be worked on.

    Times of day are the next ones from then on, a deadline's from `not_before` on. Raises
    PlacedFault if there is no such window, or the daemon's windows leave nothing of it.
    """
    problems: dict[Place, str] = {}
    moments: dict[str, datetime | None] = {}
    after = dropped
    for key, text in (("not_before", job.not_before), ("deadline", job.deadline)):
        moments[key] = None
        if text is None:
            continue
        try:
            moment = read_moment(text, after, timetable.zone, day_ends=key == "deadline")
        except ValueError as error:
            problems[(key,)] = str(error)
            continue
        if moment > dropped + HORIZON:
            problems[(key,)] = f"found '{text}', which is more than a year ahead"
        moments[key] = moment
        after = max(after, moment)
    not_before, deadline = moments["not_before"], moments["deadline"]
    if not_before and deadline and deadline <= not_before and not problems:
        problems[("deadline",)] = (
            f"found '{job.deadline}', which comes before not_before: {job.not_before}"
        )
    window = (job.window or "").strip()
    try:
        if timetable.asked(window).opens(dropped) is None:
            hours = ", ".join(timetable.windows)
            problems[("window",)] = (
                f"found '{window}', of which the daemon's own windows ({hours}) leave nothing"
            )
    except ValueError as error:
        problems[("window",)] = str(error)
    if problems:
        raise PlacedFault(problems)
    return Wishes(not_before and not_before.astimezone(UTC), window, deadline)
