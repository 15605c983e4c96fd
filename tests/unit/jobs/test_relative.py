from pathlib import PurePosixPath

import pytest

from atelierd.errors import JobFault
from atelierd.jobs.relative import relative_path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        *(("a.jpg", "a.jpg"), ("photos/a b.jpg", "photos/a b.jpg"), ("./a//b.jpg", "a/b.jpg")),
        *(("photos\\2024\\a.jpg", "photos/2024/a.jpg"), ("a..b/...jpg", "a..b/...jpg")),
    ],
)
def test_paths_of_windows_and_posix_become_the_same(text: str, path: str) -> None:
    assert relative_path(text) == PurePosixPath(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the path is empty"),
        ("  ", "the path is empty"),
        (".", "is a folder"),
        ("/etc/passwd", "is an absolute path"),
        ("\\etc\\passwd", "is an absolute path"),
        ("//server/share/a.jpg", "is a network path"),
        ("\\\\server\\share\\a.jpg", "is a network path"),
        ("https://example.com/a.jpg", "is a URL, and nothing is fetched; copy the file into"),
        ("C:\\a.jpg", "has a drive letter"),
        ("c:a.jpg", "has a drive letter"),
        ("../a.jpg", "climbs out with .."),
        ("a/../../b.jpg", "climbs out with .."),
        ("a\\..\\..\\b.jpg", "climbs out with .."),
        ("a\0.jpg", "contains a NUL character"),
        ("a\nb.jpg", "contains a control character"),
        ("a\udcff.jpg", "contains a control character"),
        ("a" * 256, "has a name of more than 255 bytes"),
        ("é" * 128, "has a name of more than 255 bytes"),
        ("a/" * 3000, "is longer than 4096 characters"),
    ],
)
def test_each_refusal_has_its_own_sentence(text: str, words: str) -> None:
    with pytest.raises(JobFault, match=words):
        relative_path(text)
