"""Rule 10: one daemon for each inbox."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from atelierd.errors import WorldFault
from atelierd.inbox import owner
from atelierd.inbox.owner import (
    HEARTBEAT,
    OWNER_NAME,
    STALE,
    InboxHeldError,
    Ownership,
    daemon_of,
    runtime_folder,
    this_process,
)
from atelierd.share import MARKER_NAME, init_share

WALL = datetime(2026, 11, 23, 17, 45, tzinfo=UTC)
BEAT, SILENCE = HEARTBEAT.total_seconds(), STALE.total_seconds()

Take = Callable[..., Ownership]


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    init_share(tmp_path)
    return tmp_path / "inbox"


@pytest.fixture
def take(tmp_path: Path, inbox: Path) -> Iterator[Take]:
    """Take the inbox as a daemon with a state and a run-time folder of these names would."""
    taken = []

    def take(state: str = "state", runtime: str = "run", now: float = 0) -> Ownership:
        ownership = Ownership.take(
            inbox, state=tmp_path / state, runtime=tmp_path / runtime, now=now, wall=WALL
        )
        taken.append(ownership)
        return ownership

    yield take
    for ownership in taken:
        ownership.release()


@pytest.fixture
def foreign(inbox: Path) -> Callable[..., Path]:
    """Write an owner file as another host's daemon, silent for some seconds, has left it."""

    def foreign(silent: float = 0, **changes: Any) -> Path:
        other = this_process(WALL).model_copy(
            update={
                "host": "attic",
                "machine": "another machine",
                "boot": "another boot",
                "pid": 4711,
                "token": "another",
                **changes,
            }
        )
        path = inbox / OWNER_NAME
        path.write_text(json.dumps(other.model_dump(mode="json")))
        os.utime(path, (time.time() - silent,) * 2)
        return path

    return foreign


def _owner(inbox: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((inbox / OWNER_NAME).read_text())
    return found


def test_rule_10_the_owner_file_says_who_holds_the_inbox(inbox: Path, take: Take) -> None:
    take()
    found = _owner(inbox)
    assert found["pid"] == os.getpid()
    assert found["started"] == found["heartbeat"] == "2026-11-23T17:45:00Z"


def test_rule_10_a_second_daemon_on_the_inbox_is_told_who_holds_it(inbox: Path, take: Take) -> None:
    take()
    before = _owner(inbox)
    with pytest.raises(InboxHeldError) as refusal:
        take("another state")
    assert f"the inbox {inbox} is in use by another daemon, process {os.getpid()} on" in str(
        refusal.value
    )
    assert _owner(inbox) == before


def test_rule_10_a_second_daemon_on_the_state_folder_is_refused(take: Take) -> None:
    take()
    with pytest.raises(InboxHeldError, match=r"the state folder .* is in use by another daemon"):
        take("state", "another run")


def test_rule_10_a_daemon_of_this_host_with_other_lock_folders_is_seen_by_the_owner_file(
    take: Take,
) -> None:
    take()
    with pytest.raises(InboxHeldError, match=r"is served by another daemon, process \d+"):
        take("another state", "another run")


def test_rule_10_a_refused_daemon_keeps_no_lock(take: Take) -> None:
    first = take()
    with pytest.raises(InboxHeldError):
        take("another state", "another run")
    first.release()
    take("another state", "another run")


def test_rule_10_a_daemon_that_was_killed_holds_nothing(tmp_path: Path, inbox: Path) -> None:
    code = (
        "import sys, time; from datetime import datetime, UTC; from pathlib import Path;"
        "from atelierd.inbox.owner import Ownership;"
        "p = Path(sys.argv[1]);"
        "o = Ownership.take(p / 'inbox', state=p / 'state', runtime=p / 'run', now=0,"
        " wall=datetime.now(UTC));"
        "print('taken', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE
    ) as daemon:
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == b"taken\n"
        options: Any = {"state": tmp_path / "state", "runtime": tmp_path / "run", "now": 0}
        with pytest.raises(InboxHeldError, match=f"process {daemon.pid} on"):
            Ownership.take(inbox, wall=WALL, **options)
        daemon.send_signal(signal.SIGKILL)
    Ownership.take(inbox, wall=WALL, **options).release()


def test_rule_10_a_daemon_on_another_host_is_refused_while_that_one_is_alive(
    inbox: Path, take: Take, foreign: Callable[..., Path]
) -> None:
    path = foreign(silent=SILENCE - 30)
    before = path.read_text()
    with pytest.raises(InboxHeldError, match=r"process 4711 on attic \(running since 2026-11-23"):
        take()
    assert path.read_text() == before
    assert {one.name for one in inbox.iterdir()} == {OWNER_NAME, MARKER_NAME}


def test_rule_10_an_owner_on_another_host_that_has_long_been_silent_is_replaced(
    inbox: Path, take: Take, foreign: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    foreign(silent=SILENCE + 30)
    take()
    assert _owner(inbox)["pid"] == os.getpid()
    assert "silent for 210 s is process 4711 on attic" in caplog.text


def test_rule_10_the_number_of_a_dead_daemon_that_another_process_has_now_does_not_count(
    inbox: Path, take: Take, foreign: Callable[..., Path]
) -> None:
    me = this_process(WALL)
    foreign(boot=me.boot, pid=os.getpid(), ticks=me.ticks - 1)
    take()
    assert _owner(inbox)["ticks"] == me.ticks


def test_rule_10_a_daemon_from_before_the_machine_was_started_again_holds_nothing(
    inbox: Path,
    take: Take,
    foreign: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    me = this_process(WALL).model_copy(update={"machine": "this machine"})
    monkeypatch.setattr(owner, "this_process", lambda _: me)
    foreign(host=me.host, machine=me.machine)
    take()
    assert _owner(inbox)["token"] == me.token


def test_rule_10_a_daemon_in_another_container_is_seen_by_its_heartbeat_only(
    inbox: Path, take: Take, foreign: Callable[..., Path]
) -> None:
    me = this_process(WALL)
    foreign(host=me.host, machine=me.machine, boot=me.boot, namespace="pid:[1]")
    with pytest.raises(InboxHeldError):
        take()
    foreign(silent=SILENCE + 1, boot=me.boot, namespace="pid:[1]")
    take()


def test_a_link_in_the_owner_files_place_is_replaced_and_not_followed(
    inbox: Path, take: Take, tmp_path: Path
) -> None:
    (tmp_path / "precious").write_text("precious")
    (inbox / OWNER_NAME).symlink_to(tmp_path / "precious")
    take()
    assert _owner(inbox)["pid"] == os.getpid()
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.parametrize("text", ["", "{", '{"pid": 1}', "x" * 100_000])
def test_a_damaged_owner_file_holds_nothing(inbox: Path, take: Take, text: str) -> None:
    (inbox / OWNER_NAME).write_text(text)
    take()
    assert _owner(inbox)["pid"] == os.getpid()


def test_a_folder_in_the_owner_files_place_keeps_the_inbox_waiting_in_words(
    inbox: Path, take: Take, caplog: pytest.LogCaptureFixture
) -> None:
    (inbox / OWNER_NAME).mkdir()
    ownership = take()
    assert "the owner file cannot be written yet" in caplog.text
    with pytest.raises(WorldFault, match=r"Is a directory: .* remove what lies there"):
        ownership.beat(BEAT, WALL)
    (inbox / OWNER_NAME).rmdir()
    ownership.beat(BEAT, WALL)
    assert _owner(inbox)["pid"] == os.getpid()


def test_the_heartbeat_renews_the_owner_file_now_and_then(inbox: Path, take: Take) -> None:
    ownership = take()
    later = WALL.replace(minute=46)
    ownership.beat(BEAT - 1, later)
    assert _owner(inbox)["heartbeat"] == "2026-11-23T17:45:00Z"
    ownership.beat(BEAT, later)
    assert _owner(inbox)["heartbeat"] == "2026-11-23T17:46:00Z"
    assert _owner(inbox)["started"] == "2026-11-23T17:45:00Z"


def test_rule_10_a_daemon_whose_inbox_was_taken_over_steps_back_until_that_one_goes(
    take: Take, foreign: Callable[..., Path]
) -> None:
    ownership = take()
    path = foreign()
    with pytest.raises(InboxHeldError, match="attic"):
        ownership.beat(BEAT, WALL)
    with pytest.raises(InboxHeldError, match="attic"):
        ownership.beat(BEAT + 1, WALL)
    path.unlink()
    ownership.beat(BEAT + 2, WALL)


def test_rule_11_no_owner_file_is_written_where_the_share_is_not_mounted(
    inbox: Path, take: Take
) -> None:
    marker = (inbox / MARKER_NAME).rename(inbox.parent / "away")
    ownership = take()
    assert not list(inbox.iterdir())
    with pytest.raises(WorldFault):
        ownership.beat(1, WALL)
    marker.rename(inbox / MARKER_NAME)
    ownership.beat(2, WALL)
    assert _owner(inbox)["pid"] == os.getpid()


def test_release_removes_our_owner_file_and_nobody_elses(
    inbox: Path, take: Take, foreign: Callable[..., Path]
) -> None:
    ownership = take()
    ownership.release()
    assert not (inbox / OWNER_NAME).exists()
    ownership = take()
    path = foreign()
    ownership.release()
    assert path.exists()


def test_the_run_time_folder_is_systemds_then_the_sessions_then_a_users_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/atelierd:/run/other")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    assert runtime_folder() == Path("/run/atelierd")
    monkeypatch.delenv("RUNTIME_DIRECTORY")
    assert runtime_folder() == Path("/run/user/1000")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert runtime_folder().name == f"atelierd-{os.getuid()}"


def test_others_can_see_which_daemon_has_a_state_folder_without_touching_its_lock(
    tmp_path: Path, take: Take
) -> None:
    assert daemon_of(tmp_path / "state", WALL) is None
    ownership = take()
    seen = daemon_of(tmp_path / "state", WALL)
    assert seen is not None
    assert seen.pid == os.getpid()
    ownership.release()
    assert daemon_of(tmp_path / "state", WALL) is None


def test_a_daemon_that_was_killed_is_seen_to_be_gone(tmp_path: Path, take: Take) -> None:
    take()
    lock = tmp_path / "state" / "daemon.lock"
    lock.write_text(json.dumps(json.loads(lock.read_text()) | {"ticks": 1}))
    assert daemon_of(tmp_path / "state", WALL) is None
