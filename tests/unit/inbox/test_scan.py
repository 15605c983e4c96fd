import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from atelierd.errors import WorldFault
from atelierd.inbox import scan
from atelierd.inbox.handles import enter
from atelierd.inbox.scan import DEEPEST, is_temporary_name, walk


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    def put(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
        return path

    return put


def _sources(inbox: Path) -> list[str]:
    return [job.source for job in walk(inbox).jobs]


def test_job_files_are_found_in_all_folders_in_the_order_of_their_paths(
    tmp_path: Path, put: Callable[..., Path]
) -> None:
    for name in ("b.yaml", "a.yml", "anna/C.YAML", "anna/deep/d.Yml", "photo.jpg", "notes.txt"):
        put(name)
    assert _sources(tmp_path) == ["a.yml", "anna/C.YAML", "anna/deep/d.Yml", "b.yaml"]


@pytest.mark.parametrize(
    "name",
    [
        *(".x.yaml", "._x.yaml", "~x.yaml", "x.yaml~", "x.yaml.part", "x.yaml.PARTIAL"),
        *("x.yaml.tmp", "x.yaml.crdownload", "x.yaml.download", "x.yaml.filepart"),
        *(".nfs000001.yaml", ".smbdeleteAAA.yaml", "x.sync-conflict-20261123.yaml"),
        *("@eaDir/x.yaml", "#recycle/x.yaml", ".git/x.yaml", ".atelierd/x.yaml"),
    ],
)
def test_rule_05_names_that_systems_and_programs_leave_are_ignored(
    tmp_path: Path, put: Callable[..., Path], name: str
) -> None:
    put(name)
    inventory = walk(tmp_path)
    assert not inventory.jobs
    assert not inventory.passed_over


@pytest.mark.parametrize("kind", ["folder", "pipe", "socket", "link", "broken link"])
def test_rule_05_only_regular_files_are_jobs_and_nothing_else_blocks(
    tmp_path: Path, put: Callable[..., Path], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("real.yaml")
    path = tmp_path / "x.yaml"
    monkeypatch.chdir(tmp_path)
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as endpoint:
            endpoint.bind("x.yaml")
    else:
        path.symlink_to("real.yaml" if kind == "link" else "nowhere")
    inventory = walk(tmp_path)
    assert [job.source for job in inventory.jobs] == ["real.yaml"]
    assert "not a file" in inventory.passed_over["x.yaml"]


def test_links_to_folders_are_not_followed(tmp_path: Path, put: Callable[..., Path]) -> None:
    put("outside/x.yaml")
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "inbox" / "circle").symlink_to(tmp_path / "inbox")
    assert not walk(tmp_path / "inbox").jobs


def test_folders_that_are_too_deep_are_passed_over(
    tmp_path: Path, put: Callable[..., Path]
) -> None:
    put("/".join(["f"] * DEEPEST) + "/x.yaml")
    put("/".join(["g"] * (DEEPEST + 1)) + "/x.yaml")
    inventory = walk(tmp_path)
    assert len(inventory.jobs) == 1
    assert list(inventory.passed_over) == ["/".join(["g"] * (DEEPEST + 1))]


def test_a_name_that_is_no_text_is_passed_over_with_the_reason(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.yaml")).write_text("x")
    inventory = walk(tmp_path)
    assert not inventory.jobs
    assert ["not in UTF-8" in reason for reason in inventory.passed_over.values()] == [True]


def test_rule_06_a_folder_that_may_not_be_read_does_not_hide_the_others(
    tmp_path: Path, put: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    put("private/x.yaml")
    put("public/y.yaml")

    def denied(folder: int, name: str) -> int:
        if name == "private":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return enter(folder, name)

    monkeypatch.setattr(scan, "enter", denied)
    inventory = walk(tmp_path)
    assert [job.source for job in inventory.jobs] == ["public/y.yaml"]
    assert "may not read" in inventory.passed_over["private"]


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO, errno.EHOSTDOWN, errno.ENOTCONN])
def test_rule_06_a_share_that_fails_in_the_midst_of_a_scan_is_a_fault_of_the_world(
    tmp_path: Path, put: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    put("below/x.yaml")
    real = os.scandir

    def failing(folder: int) -> object:
        if list(os.listdir(folder)) == ["x.yaml"]:
            raise OSError(number, os.strerror(number))
        return real(folder)

    monkeypatch.setattr(os, "scandir", failing)
    with pytest.raises(WorldFault, match=os.strerror(number)):
        walk(tmp_path)


def test_taken_job_files_come_first_and_know_where_they_were(
    tmp_path: Path, put: Callable[..., Path]
) -> None:
    put("a.yaml")
    put(".atelierd/taken/20261123-174512-x-7f3a/anna/x.yaml")
    taken, waiting = walk(tmp_path).jobs
    assert taken.job_id == "20261123-174512-x-7f3a"
    assert taken.source == "anna/x.yaml"
    assert taken.folder == PurePosixPath("anna")
    assert (tmp_path / taken.location).exists()
    assert waiting.job_id is None


def test_claims_without_a_job_file_are_hollow_and_strange_names_are_no_claims(
    tmp_path: Path, put: Callable[..., Path]
) -> None:
    (tmp_path / ".atelierd/taken/20261123-174512-x-7f3a/anna").mkdir(parents=True)
    put(".atelierd/taken/20261123-174512-y-7f3a/.nfs00001")
    put(".atelierd/taken/not-an-id/x.yaml")
    inventory = walk(tmp_path)
    assert inventory.hollow == ["20261123-174512-x-7f3a", "20261123-174512-y-7f3a"]
    assert not inventory.jobs


def test_a_claim_that_may_not_be_read_does_not_hide_the_others(
    tmp_path: Path, put: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(".atelierd/taken/20261123-174512-x-7f3a/x.yaml")
    put(".atelierd/taken/20261123-174512-y-7f3a/anna/y.yaml")
    put("z.yaml")

    def denied(folder: int, name: str) -> int:
        if name == "20261123-174512-x-7f3a":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return enter(folder, name)

    monkeypatch.setattr(scan, "enter", denied)
    inventory = walk(tmp_path)
    assert [job.source for job in inventory.jobs] == ["anna/y.yaml", "z.yaml"]
    assert not inventory.hollow
    reason = inventory.passed_over[".atelierd/taken/20261123-174512-x-7f3a"]
    assert "may not read" in reason


def test_what_is_surely_missing_is_known_without_a_look(
    tmp_path: Path, put: Callable[..., Path]
) -> None:
    put("art/Starry.jpg")
    inventory = walk(tmp_path)
    for missing in ("photo.jpg", "art/wave.jpg", "photos/a.jpg"):
        assert inventory.surely_missing(PurePosixPath(missing))
    for there in ("art/Starry.jpg", "ART/STARRY.JPG", "art", "art/starry.jpg/x"):
        assert not inventory.surely_missing(PurePosixPath(there))


def test_files_under_temporary_names_are_noted_and_lasting_clutter_is_not(
    tmp_path: Path, put: Callable[..., Path]
) -> None:
    temporary = put("art/.x.jpg.Ab12")
    put("art/._x.jpg")
    inventory = walk(tmp_path)
    assert {one.inode for one in inventory.temporary["art"]} == {temporary.stat().st_ino}


def test_temporary_names_are_those_that_writers_use_on_the_way() -> None:
    for name in (".x.yaml.swp", "~x.tmp", "x.yaml~", "x.jpg.part", ".syncthing.x.jpg.tmp"):
        assert is_temporary_name(name)
    for name in ("x.yaml", "._x.yaml", ".DS_Store", ".nfs0001", ".atelierd-owner", "Thumbs.db"):
        assert not is_temporary_name(name)
