"""`jobs`, and what a person can ask of a job: read from the ledger, beside the daemon."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from atelierd.cli.configuration import ConfigOption, read_config
from atelierd.cli.ledgers import JobsArgument, opened
from atelierd.cli.options import JsonOption
from atelierd.cli.terminal import plain, say, say_json, say_table, stdout
from atelierd.cli.words import COLORS, first_line
from atelierd.exits import Exit
from atelierd.ledger.states import Action, JobState

if TYPE_CHECKING:
    from atelierd.ledger import Ledger
    from atelierd.settings import Settings

#: Seconds that a command waits for the daemon's answer.
ANSWER_SECONDS = 5.0
#: Seconds between two looks for it.
_LOOK_EVERY = 0.05

#: The states in which a job is once the daemon has done what was asked.
_DONE = {
    Action.CANCEL: {JobState.CANCELLED},
    Action.HOLD: {JobState.HELD},
    Action.RELEASE: {JobState.QUEUED, JobState.RUNNING},
    Action.RETRY: {JobState.QUEUED, JobState.RUNNING, JobState.HELD},
}


def jobs(
    state: Annotated[
        list[JobState] | None,
        typer.Option(help="Only those in this state; may be given again.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List the jobs, the newest first."""
    # Imported here: only the answer in JSON shows what the outbox does.
    from atelierd.outbox.overview import job_status

    wanted = tuple(state or JobState)
    with opened(read_config(config)) as ledger:
        rows = ledger.jobs(wanted)
        if as_json:
            say_json([job_status(row, ledger.renders(row.id)) for row in rows])
            return
        running = {row.job_id: row for row in ledger.running()}
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("job", "state", "priority", "accepted"):
        table.add_column(
            heading, overflow="fold", justify="right" if heading == "priority" else "left"
        )
    table.add_column("", overflow="fold", ratio=1)
    for row in rows:
        render = running.get(row.id)
        remark = first_line(row.reason)
        if render is not None:
            remark = f"{render.title}: {render.iteration}/{render.iterations}"
        table.add_row(
            plain(row.folder),
            plain(row.state, style=COLORS.get(row.state, "")),
            str(row.priority),
            f"{row.accepted_at.astimezone():%Y-%m-%d %H:%M}",
            plain(remark, 300),
        )
    if rows:
        say_table(stdout(), table)
    else:
        say(stdout(), "no jobs" if state is None else f"no job is {' or '.join(wanted)}")


def cancel(names: JobsArgument, config: ConfigOption = None) -> None:
    """Cancel jobs; pictures that are there stay."""
    _ask(Action.CANCEL, names, read_config(config))


def hold(names: JobsArgument, config: ConfigOption = None) -> None:
    """Put jobs aside; one that runs stops soon, with a checkpoint."""
    _ask(Action.HOLD, names, read_config(config))


def release(names: JobsArgument, config: ConfigOption = None) -> None:
    """Let held jobs go on."""
    _ask(Action.RELEASE, names, read_config(config))


def retry(names: JobsArgument, config: ConfigOption = None) -> None:
    """Try failed and cancelled jobs again, from where they were."""
    _ask(Action.RETRY, names, read_config(config))


def _ask(action: Action, names: list[str], settings: Settings) -> None:
    """Leave requests for the daemon, wait for the answers, and exit with 1 if one is a refusal."""
    from atelierd.cli.overview import running_daemon

    console = stdout()
    with opened(settings) as ledger:
        # All names are looked up before anything is asked: a typo changes nothing.
        chosen = [ledger.job(name) for name in names]
        asked = [(ledger.request(action, job.id), job.id) for job in chosen]
        if not running_daemon(settings):
            for job in chosen:
                say(
                    console,
                    plain(
                        f"{job.folder}: noted; the daemon is not running and will {action} it "
                        "when it starts"
                    ),
                )
            return
        answers = _answers(ledger, [number for number, _ in asked])
        refused = False
        for job, (number, job_id) in zip(chosen, asked, strict=True):
            answer = answers.get(number)
            if answer is None:
                answer = f"{job.folder}: noted; the daemon has not answered yet"
            elif ledger.job_by_id(job_id).state not in _DONE[action]:
                refused = True
            say(console, plain(answer, 500))
    if refused:
        raise typer.Exit(Exit.FAILED)


def _answers(
    ledger: Ledger, requests: list[int], clock: Callable[[], float] = time.monotonic
) -> Mapping[int, str]:
    """Return the answers that come within ANSWER_SECONDS, by the requests' numbers."""
    until = clock() + ANSWER_SECONDS
    answers: dict[int, str] = {}
    while True:
        for number in requests:
            answer = None if number in answers else ledger.request_answer(number)
            if answer is not None:
                answers[number] = answer
        if len(answers) == len(requests) or clock() >= until:
            return answers
        time.sleep(_LOOK_EVERY)
