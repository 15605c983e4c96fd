"""From a render's work folder to its job's folder in the outbox, in the order of rule 14.

Whatever picture lies in the work folder is published, whichever segment or process wrote it; a
snapshot is removed there once it is in the outbox. So a kill at any moment leaves it in one place
or, the same, in both.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from atelierd.dispatch.running import DispatchPlan, Running
from atelierd.durable import is_temporary
from atelierd.errors import JobFault, WorldFault
from atelierd.failpoints import failpoint
from atelierd.images.previews import is_of_render
from atelierd.jobs.frozen import job_file_path
from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow
from atelierd.ledger.telling import about_render
from atelierd.outbox import layout
from atelierd.outbox.errors import FolderLostError
from atelierd.outbox.folder import JobFolder, place_job
from atelierd.outbox.provenance import note_published, noted_pictures
from atelierd.outbox.publish import (
    PublishedFile,
    RenderResult,
    publish_page_file,
    publish_picture,
    publish_result,
    published_file,
)
from atelierd.render.previews import FOLDER
from atelierd.wording import shown
from atelierd.worldfaults import as_world_fault

logger = logging.getLogger(__name__)

#: Is told of each picture that has been published.
Note = Callable[[PublishedFile], None]
#: Gives by name the pictures that have been published.
Noted = Callable[[], Mapping[str, Collection[PublishedFile]]]

_SNAPSHOT = "snapshot-"
_RESULT = "result"


class Publisher:
    """Publishes into the folders of jobs, made anew where people have taken one away."""

    def __init__(self, plan: DispatchPlan, ledger: Ledger) -> None:
        self._plan = plan
        self._ledger = ledger

    def folder(self, job: JobRow) -> JobFolder:
        """Return the job's folder in the outbox, made anew if it is not there.

        Raises WorldFault; JobFault if the daemon has lost its copy of the job file.
        """
        path = job_file_path(self._plan.state, job.id)
        try:
            with as_world_fault(path):
                data = path.read_bytes()
        except FileNotFoundError as error:
            raise JobFault(f"{path} is gone; put the job file into the inbox again") from error
        return place_job(self._plan.outbox, self._ledger, job, data)

    def snapshots(self, running: Running) -> None:
        """Publish what lies in the work folder of a render under way. Raises as `folder`."""

        def publish(folder: JobFolder, work: Path) -> None:
            count = publish_snapshots(folder, running.render.title, work, self._note(running))
            publish_previews(folder, running.render.index, work)
            if count:
                what = "a snapshot" if count == 1 else f"{count} snapshots"
                about = about_render(running.render, running.job)
                logger.info("%s: published %s", shown(running.render.title), what, extra=about)

        self._publish(running, publish)

    def result(self, running: Running, receipt: dict[str, Any]) -> None:
        """Publish everything of a finished render. Raises as `folder`."""

        def publish(folder: JobFolder, work: Path) -> None:
            title, note = running.render.title, self._note(running)
            noted = partial(noted_pictures, self._plan.state, running.job.id)
            publish_finished(folder, running.render.index, title, work, receipt, note, noted)

        self._publish(running, publish)

    def _note(self, running: Running) -> Note:
        return partial(note_published, self._plan.state, running.job.id)

    def _publish(self, running: Running, publish: Callable[[JobFolder, Path], None]) -> None:
        work = self._plan.work(running.render.id)
        try:
            try:
                publish(running.folder, work)
            except FolderLostError as error:
                logger.warning("%s; making it anew", error)
                running.folder = self.folder(self._ledger.job_by_id(running.job.id))
                publish(running.folder, work)
        except FolderLostError as again:
            raise WorldFault(f"{again}, again and again") from again
        except OSError as error:
            raise WorldFault(f"{work}: {error}") from error


def publish_snapshots(
    folder: JobFolder, title: str, work: Path, note: Note = lambda _: None
) -> int:
    """Publish the snapshots that lie in `work`, oldest first; return how many there were.

    `note` is called with each picture before it is removed there.
    Raises WorldFault; FolderLostError if people have taken the job's folder away.
    """
    pictures = sorted(work.glob(f"{_SNAPSHOT}*"))
    for path in pictures:
        iteration = int(path.stem.removeprefix(_SNAPSHOT))
        name = layout.snapshot_name(title, iteration, path.suffix.lstrip("."))
        note(publish_picture(folder, name, path))
        path.unlink()
    return len(pictures)


def publish_previews(folder: JobFolder, index: int, work: Path) -> None:
    """Publish the small copies that lie in `work` for the pages; they are in no manifest.

    Raises WorldFault, FolderLostError.
    """
    for path in sorted((work / FOLDER).glob("*.jpg")):
        if is_temporary(path.name):
            continue
        if is_of_render(path.name):
            publish_page_file(folder, layout.of_render(index, path.name), path.read_bytes())
        else:
            publish_page_file(folder, path.name, path.read_bytes(), once=True)
        path.unlink()


def publish_finished(
    folder: JobFolder,
    index: int,
    title: str,
    work: Path,
    receipt: dict[str, Any],
    note: Note = lambda _: None,
    noted: Noted = dict,
) -> None:
    """Publish a finished render: its pictures, then its entry in `result.json`.

    Snapshots that people have removed or changed meanwhile are not listed: what is listed is the
    daemon's, which may remove it. Raises WorldFault, FolderLostError.
    """
    publish_snapshots(folder, title, work, note)
    publish_previews(folder, index, work)
    results = list(work.glob(f"{_RESULT}.*"))
    if len(results) != 1:
        raise WorldFault(f"{work}: expected one result picture, found {len(results)}")
    (path,) = results
    extension = path.suffix.lstrip(".")
    files = [publish_picture(folder, layout.result_name(title, extension), path)]
    ours = noted()
    for iteration in receipt["snapshots"]:
        snapshot = published_file(folder, layout.snapshot_name(title, iteration, extension))
        if snapshot is not None and snapshot in ours.get(snapshot.name, (snapshot,)):
            files.append(snapshot)
    result = RenderResult(index, title, tuple(files), receipt)
    publish_page_file(folder, layout.of_render(index, layout.RECEIPT), result.as_json().encode())
    failpoint("publish.receipt")
    publish_result(folder, result)
