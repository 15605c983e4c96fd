"""Whatever a stranger writes, only a JobFault or a JobFile comes of it, and nothing from outside.

`pytest tests/unit/jobs --hypothesis-profile=long` tries many more.
"""

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from atelierd.errors import JobFault, NotReadyError
from atelierd.jobs.paths import Root
from atelierd.jobs.reader import read_job
from atelierd.jobs.relative import relative_path
from atelierd.jobs.schema import JobFile
from atelierd.yamldoc import looks_cut_off

KEYS = st.sampled_from([*JobFile.model_fields, "contents", "Size", "", "a.jpg"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["a.jpg", "../x", "640x480", "original", "auto", "*.jpg", "/etc", "C:\\x"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)

GOOD = b"""\
# a job
content: [photos/*.jpg, top.jpg]
style:
  - starry.jpg
  - {starry.jpg: 2, "wave.jpg": 0.5}
size: 1024x768
iterations: 300
decay: .25
output: {format: webp, quality: 80}
name: 'Nacht 1'
"""
FRAGMENTS = st.sampled_from(
    [
        *(b"\0", b"\t", b"\r", b"\xff\xfe", b"\xef\xbb\xbf", b"&a ", b"*a", b"!!python/name:os "),
        *(b"---\n", b"...\n", b": ", b"- ", b"[", b"]", b"{", b"}", b'"', b"'", b"|\n", b">\n"),
        *(b"? ", b"<<: ", b"%YAML 9.9\n", b"\\", b"../", b"-1", b".nan", b"1e999", b"\xe2\x80\xa8"),
    ]
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good job file after a few cuts and insertions."""
    data = GOOD
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 20)))
        middle = draw(FRAGMENTS | st.binary(max_size=4) | st.just(data[start:end] * 2))
        data = data[:start] + middle + data[end:]
    return data


def dumped(value: Any) -> bytes:
    return yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass")


@given(
    st.binary()
    | st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))
    | mutated()
    | VALUES.map(dumped)
    | st.dictionaries(KEYS, VALUES).map(dumped)
)
@example(GOOD)
@example(GOOD.decode().encode("utf-16"))
def test_only_a_job_fault_or_a_job_comes_of_any_bytes(data: bytes) -> None:
    assert looks_cut_off(data) in {True, False}
    try:
        job = read_job(data, "x.yaml")
    except JobFault as fault:
        lines = str(fault).split("\n")
        assert all(line.startswith("x.yaml: ") and line.isprintable() for line in lines)
        return
    for path in paths(job):
        assert ".." not in relative_path(path).parts


def paths(job: JobFile) -> list[str]:
    listed: list[str] = []
    for named in (job.content, job.style):
        for item in named if isinstance(named, list) else [named]:
            listed += item if isinstance(item, dict) else [item]
    return listed


@pytest.fixture(scope="module")
def jail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    inbox = tmp_path_factory.mktemp("share") / "inbox"
    (inbox / "a" / "b").mkdir(parents=True)
    (inbox.parent / "secret.jpg").write_text("secret")
    (inbox / "a" / "x.jpg").write_text("public")
    (inbox / "out").symlink_to("..")
    (inbox / "a" / "link.jpg").symlink_to("../../secret.jpg")
    return inbox


PARTS = st.sampled_from(
    [
        *("a", "A", "b", "x.jpg", "out", "link.jpg", "secret.jpg", "..", ".", "", "**", "*", "[a]"),
        *("~", "C:", "inbox", "\0", "...", " ", "*.jpg", "[!", "?"),
    ]
)
PATHS = (
    st.lists(PARTS | st.text(max_size=3), max_size=5).flatmap(
        lambda parts: st.sampled_from(["/", "\\", "//"]).map(lambda joint: joint.join(parts))
    )
    | st.text()
)


@given(text=PATHS, folder=st.sampled_from([".", "a", "out", "a/b", "gone"]))
def test_no_path_and_no_pattern_reaches_out_of_the_inbox(
    jail: Path, text: str, folder: str
) -> None:
    root = Root(jail)
    start = PurePosixPath(folder)
    looks: list[Callable[[], list[PurePosixPath]]] = [
        lambda: [root.find(text, start)],
        lambda: root.glob(text, start),
    ]
    for look in looks:
        try:
            found = look()
        except (JobFault, NotReadyError):
            continue
        assert set(found) <= {PurePosixPath("a/x.jpg")}
