import os
from pathlib import Path, PurePosixPath

import pytest

from atelierd.errors import JobFault
from atelierd.jobs import matching
from atelierd.jobs.paths import Root

HERE = PurePosixPath()


def found(root: Root, pattern: str, folder: str = ".") -> list[str]:
    return [str(path) for path in root.glob(pattern, PurePosixPath(folder))]


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("photos/*.jpg", ["photos/A.JPG", "photos/b.jpg"]),
        ("Photos/?.jpg", ["photos/A.JPG", "photos/b.jpg"]),
        ("photos/[bc].*", ["photos/b.jpg", "photos/c.png"]),
        ("photos/[!bc].*", ["photos/A.JPG"]),
        ("*/wave.jpg", ["art/wave.jpg"]),
        ("photos\\*.png", ["photos/c.png"]),
        ("photos/**/*.jpg", ["photos/2024/d.jpg", "photos/A.JPG", "photos/b.jpg"]),
        ("**/starry.jpg", ["art/starry.jpg", "sub/art/starry.jpg"]),
        ("sub/**", ["sub/art/starry.jpg"]),
        ("sub/**/**/*.jpg", ["sub/art/starry.jpg"]),
        ("*.gif", []),
        ("gone/*.jpg", []),
        ("*", ["top.jpg"]),
    ],
)
def test_patterns_match_files_sorted_and_without_regard_to_case(
    root: Root, pattern: str, paths: list[str]
) -> None:
    assert found(root, pattern) == paths


def test_a_pattern_starts_at_the_job_files_folder_then_at_the_inbox(root: Root) -> None:
    assert found(root, "art/*.jpg", "sub") == ["sub/art/starry.jpg"]
    assert found(root, "photos/*.png", "sub") == ["photos/c.png"]


def test_what_is_no_picture_of_anybodys_is_passed_over(inbox: Path, root: Root) -> None:
    folder = inbox / "mixed"
    folder.mkdir()
    for name in ("a.jpg", "Thumbs.db", ".hidden.jpg", "b.jpg.part", "job.yaml", "job.YML"):
        (folder / name).write_text("x")
    (folder / "link.jpg").symlink_to("../../secret.jpg")
    (folder / "out").symlink_to("../..")
    (folder / "folder.jpg").mkdir()
    (folder / ".trash").mkdir()
    (folder / ".trash" / "t.jpg").write_text("x")
    os.mkfifo(folder / "pipe.jpg")
    assert found(root, "mixed/**/*") == ["mixed/a.jpg"]


def test_links_in_a_circle_end(inbox: Path, root: Root) -> None:
    (inbox / "sub" / "again").symlink_to("..")
    assert found(root, "sub/**/*.jpg") == ["sub/art/starry.jpg"]


def test_a_pattern_goes_down_a_limited_number_of_folders(inbox: Path, root: Root) -> None:
    folder = inbox / "deep"
    for _ in range(matching.DEEPEST + 3):
        folder.mkdir()
        (folder / "x.jpg").write_text("x")
        folder /= "d"
    assert len(found(root, "deep/**/x.jpg")) == matching.DEEPEST + 1


def test_a_pattern_that_asks_for_the_whole_share_is_refused(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "MOST_LOOKED_AT", 5)
    with pytest.raises(JobFault, match="looks at more than 5 files; start it with a folder"):
        root.glob("**/*.jpg", HERE)


@pytest.mark.parametrize("name", [b"caf\xe9.jpg", b"a\\b.jpg", b"a\nb.jpg"])
def test_a_match_whose_name_cannot_be_written_is_refused_by_name(
    inbox: Path, root: Root, name: bytes
) -> None:
    folder = inbox / "odd"
    folder.mkdir()
    (folder / os.fsdecode(name)).write_text("x")
    with pytest.raises(JobFault, match="has a name that cannot be used") as caught:
        root.glob("odd/*", HERE)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "pattern", ["[", "[]", "[!]", "[z-a]*", "[[]", "*" * 200, "(a|b)+*", "\\*"]
)
def test_a_strange_pattern_matches_nothing_or_is_refused(root: Root, pattern: str) -> None:
    try:
        assert set(found(root, pattern)) <= {"top.jpg"}
    except JobFault as fault:
        assert "absolute" in str(fault)
