import errno
import os
import socket
import threading
import unicodedata
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from atelierd.errors import JobFault, NotReadyError, WorldFault
from atelierd.jobs import listing
from atelierd.jobs.opening import MissingError, in_words
from atelierd.jobs.paths import FileIdentity, Root

HERE = PurePosixPath()
SUB = PurePosixPath("sub")


def contents(root: Root, path: str) -> str:
    with open(root.open_file(PurePosixPath(path)), encoding="utf-8") as file:  # noqa: PTH123
        return file.read()


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_file_is_opened_for_reading(root: Root) -> None:
    assert contents(root, "photos/b.jpg") == "photos/b.jpg"


def test_a_path_starts_at_the_job_files_folder_then_at_the_inbox(root: Root) -> None:
    assert root.find("art/starry.jpg", SUB) == PurePosixPath("sub/art/starry.jpg")
    assert root.find("art/wave.jpg", SUB) == PurePosixPath("art/wave.jpg")
    assert root.find("top.jpg", PurePosixPath("gone")) == PurePosixPath("top.jpg")


def test_windows_separators_are_understood(root: Root) -> None:
    assert root.find("photos\\2024\\d.jpg", HERE) == PurePosixPath("photos/2024/d.jpg")


def test_another_case_finds_the_one_file_it_can_mean(root: Root) -> None:
    assert root.find("Photos/a.jpg", HERE) == PurePosixPath("photos/A.JPG")
    assert contents(root, "PHOTOS/B.JPG") == "photos/b.jpg"


def test_accents_are_found_however_they_are_composed(inbox: Path, root: Root) -> None:
    stored = unicodedata.normalize("NFD", "été.jpg")
    (inbox / stored).write_text("x")
    written = unicodedata.normalize("NFC", "été.jpg")
    assert stored != written
    assert root.find(written, HERE) == PurePosixPath(stored)


def test_a_name_that_is_spelled_exactly_goes_before_all_others(inbox: Path, root: Root) -> None:
    (inbox / "top.JPG").write_text("other")
    assert contents(root, "top.jpg") == "top.jpg"
    assert contents(root, "top.JPG") == "other"


def test_a_name_that_may_mean_two_files_is_refused(inbox: Path, root: Root) -> None:
    (inbox / "top.JPG").write_text("other")
    with pytest.raises(JobFault, match=r"Top.jpg may mean any of top.JPG, top.jpg; write it exac"):
        root.find("Top.jpg", HERE)


def test_a_composed_name_of_the_same_case_goes_before_another_case(inbox: Path, root: Root) -> None:
    for name in ("é.jpg", "É.jpg"):
        (inbox / unicodedata.normalize("NFD", name)).write_text("x")
    assert root.find("\u00e9.jpg", HERE).name == unicodedata.normalize("NFD", "é.jpg")


def test_what_is_missing_is_waited_for_under_the_name_in_the_job_file(root: Root) -> None:
    with pytest.raises(MissingError, match=r"^waiting for art/gone.jpg$") as caught:
        root.find("art/gone.jpg", SUB)
    assert isinstance(caught.value, NotReadyError)
    with pytest.raises(MissingError):
        root.open_file(PurePosixPath("gone/x.jpg"))


def test_a_file_that_arrives_is_found_in_any_case(inbox: Path) -> None:
    now = 0.0
    root = Root(inbox, lambda: now)
    with pytest.raises(MissingError):
        root.find("new.jpg", HERE)
    (inbox / "NEW.jpg").write_text("x")
    now += listing.LISTING_LIFETIME.total_seconds()
    assert root.find("new.jpg", HERE) == PurePosixPath("NEW.jpg")


def test_thousands_of_looks_for_a_missing_file_read_the_folder_once(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Root(inbox, lambda: 0.0)
    scans = []
    scandir = os.scandir

    def counted(folder: int) -> Any:
        scans.append(folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", counted)
    for number in range(1000):
        with pytest.raises(MissingError):
            root.find(f"gone-{number}.jpg", HERE)
    assert len(scans) == 1


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../secret.jpg", "photos/../../secret.jpg", "C:/a.jpg", "//srv/a.jpg"]
)
def test_paths_that_lead_out_are_refused_by_every_method(root: Root, path: str) -> None:
    for refuse in (
        lambda: root.open_file(PurePosixPath(path)),
        lambda: root.fingerprint(PurePosixPath(path)),
        lambda: root.find(path, HERE),
        lambda: root.glob(path, HERE),
    ):
        with pytest.raises(JobFault):
            refuse()


@pytest.mark.parametrize("target", ["../secret.jpg", "top.jpg", "/etc/passwd", "nowhere"])
def test_a_symbolic_link_is_refused_wherever_it_leads(inbox: Path, root: Root, target: str) -> None:
    (inbox / "link.jpg").symlink_to(target)
    for refuse in (
        lambda: root.find("link.jpg", HERE),
        lambda: root.find("LINK.jpg", HERE),
        lambda: root.open_file(PurePosixPath("link.jpg")),
    ):
        with pytest.raises(JobFault, match=r"link.jpg is a symbolic link, which is not followed"):
            refuse()


def test_a_link_to_a_folder_is_refused(inbox: Path, root: Root) -> None:
    (inbox / "out").symlink_to("..")
    with pytest.raises(JobFault, match=r"^out is a symbolic link"):
        root.find("out/secret.jpg", HERE)
    with pytest.raises(JobFault, match=r"^out is a symbolic link"):
        root.glob("out/*.jpg", HERE)


def test_a_folder_is_no_picture(root: Root) -> None:
    with pytest.raises(JobFault, match=r"^photos is a folder; expected a file"):
        root.find("photos", HERE)
    with pytest.raises(JobFault, match=r"^top.jpg is a file; expected a folder"):
        root.find("top.jpg/x.jpg", HERE)


def test_pipes_sockets_and_devices_are_refused_without_blocking(
    inbox: Path, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(inbox / "pipe.jpg")
    monkeypatch.chdir(inbox)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.jpg")
        for name, kind in (("pipe.jpg", "a named pipe"), ("socket.jpg", "a socket")):
            with pytest.raises(JobFault, match=f"{name} is {kind}; expected a file"):
                root.find(name, HERE)
    with pytest.raises(JobFault, match="null is a device"):
        Root(Path("/dev")).find("null", HERE)


def test_a_fingerprint_changes_when_the_file_does(inbox: Path, root: Root) -> None:
    path = PurePosixPath("top.jpg")
    before = root.fingerprint(path)
    status = (inbox / "top.jpg").stat()
    assert before == FileIdentity(status.st_size, status.st_mtime_ns, status.st_ino)
    (inbox / "new").write_text("top.jpg")
    os.utime(inbox / "new", ns=(status.st_mtime_ns, status.st_mtime_ns))
    (inbox / "new").rename(inbox / "top.jpg")
    assert root.fingerprint(path) != before


def test_no_descriptor_is_left_open(root: Root) -> None:
    before = open_descriptors()
    for path in ("gone/a.jpg", "photos/gone.jpg", "top.jpg/x", "photos", "photos/b.jpg"):
        try:
            root.find(path, HERE)
        except (JobFault, NotReadyError):
            continue
    root.glob("**/*.jpg", HERE)
    assert open_descriptors() == before


def test_a_folder_swapped_for_a_link_in_between_never_leads_out(inbox: Path) -> None:
    (inbox.parent / "outside").mkdir()
    (inbox.parent / "outside" / "b.jpg").write_text("secret")
    (inbox / "swap").mkdir()
    (inbox / "swap" / "b.jpg").write_text("public")
    (inbox / "link").symlink_to("../outside")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            (inbox / "swap").rename(inbox / "aside")
            (inbox / "link").rename(inbox / "swap")
            (inbox / "swap").rename(inbox / "link")
            (inbox / "aside").rename(inbox / "swap")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        seen = set()
        for _ in range(2_000):
            try:
                seen.add(contents(Root(inbox), "swap/b.jpg"))
            except (JobFault, NotReadyError):
                continue
    finally:
        stop.set()
        thread.join()
    assert seen <= {"public"}


def test_a_share_that_is_gone_is_nobodys_job_fault(tmp_path: Path) -> None:
    with pytest.raises(WorldFault, match="gone is not there: is the share mounted"):
        Root(tmp_path / "gone").find("a.jpg", HERE)


@pytest.mark.parametrize(
    ("number", "fault", "words"),
    [
        (errno.ENOENT, MissingError, "waiting for a.jpg"),
        (errno.EACCES, NotReadyError, "waiting for a.jpg: reading it is not permitted"),
        (errno.EAGAIN, NotReadyError, "waiting for a.jpg: another program holds it"),
        (errno.ELOOP, JobFault, "a.jpg was exchanged while it was being opened"),
        (errno.ENAMETOOLONG, JobFault, "a.jpg is too long for the disk"),
        (errno.ESTALE, WorldFault, "a.jpg: Stale file handle"),
        (errno.EIO, WorldFault, "a.jpg: Input/output error"),
        (errno.EMFILE, OSError, "Too many open files"),
    ],
)
def test_each_error_of_the_system_is_the_fault_of_whoever_can_mend_it(
    number: int, fault: type[Exception], words: str
) -> None:
    with pytest.raises(fault, match=words), in_words(PurePosixPath("a.jpg")):
        raise OSError(number, os.strerror(number))


def test_a_long_list_of_missing_files_is_cut_short() -> None:
    assert str(MissingError(*"abcdefg")) == "waiting for a, b, c, d, e and 2 more"
