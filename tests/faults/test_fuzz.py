"""Tens of thousands of hostile files: each is taken or refused in words, and nothing else.

No crash, no hang, no warning, and no file outside the inbox is opened, whatever a job file names
and whoever exchanges folders for links meanwhile. Rules 4, 5 and 17.
"""

from __future__ import annotations

import ctypes
import io
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.faults.figures import FOLDER, record
from tests.faults.mutation import mutate
from tests.faults.yard import draw_picture

from atelierd.errors import JobFault, NotReadyError
from atelierd.images import ImageLimits, load_picture, probe
from atelierd.inbox.named import names_of
from atelierd.jobs.expand import expand
from atelierd.jobs.paths import Root
from atelierd.jobs.presets import load_preset, shipped_config
from atelierd.jobs.reader import read_job
from atelierd.jobs.resolved import DEFAULT_PRESET, resolve
from atelierd.jobs.schema import JobFile
from atelierd.yamldoc import looks_cut_off

INPUTS = 20_500
#: Seconds that one input may take at most on a busy machine.
LONGEST = 10.0
LIMITS = ImageLimits(max_pixels=1_000_000)
SECRET = b"from outside"

EXAMPLES = Path(__file__).parents[2] / "config" / "examples"
JOBS = [path.read_bytes() for path in sorted(EXAMPLES.glob("*.yaml"))]
JOBS += [
    b"content: [a.png, 'deep/*.png']\nstyle: {a.png: 2, deep/b.png: .5}\nsize: 640x480\n",
    b"content: deep/**/*.png\nstyle: ../secret.png\ninit: link.png\niterations: 7\n",
    b"content: /etc/passwd\nstyle: out/secret.png\nname: 'n'\npriority: 5\nseed: 3\n",
    "content: ä.png\nstyle: deep\\b.png\noutput: {format: webp, quality: 80}\n".encode("utf-16"),
    b"content: [[[[[[[[[[a]]]]]]]]]]\nstyle: &x [*x, *x]\n",
]


@pytest.fixture
def seed() -> int:
    """Another one each time; it is in the figures, and a failing input is kept."""
    return random.SystemRandom().randrange(10**9)


class Inputs:
    """Tries mutated inputs, and keeps the one that was being tried when something failed."""

    def __init__(self, name: str, corpus: list[bytes], seed: int) -> None:
        self._name = name
        self._corpus = corpus
        self._seed = seed
        self._chance = random.Random(seed)
        self.longest = 0.0
        self.figures: dict[str, float] = {}

    def tried(self, attempt: Callable[[bytes], bool]) -> None:
        """Try INPUTS of them; `attempt` says whether one was taken."""
        taken = 0
        began = time.monotonic()
        for _ in range(INPUTS):
            data = mutate(self._chance.choice(self._corpus), self._corpus, self._chance)
            started = time.monotonic()
            try:
                taken += attempt(data)
            except BaseException:
                FOLDER.mkdir(parents=True, exist_ok=True)
                (FOLDER / f"{self._name}-failing.bin").write_bytes(data)
                raise
            self.longest = max(self.longest, time.monotonic() - started)
        assert 0 < taken < INPUTS
        assert self.longest < LONGEST
        self.figures = {
            "seed": self._seed,
            "inputs": INPUTS,
            "taken": taken,
            "seconds": round(time.monotonic() - began, 1),
            "longest, in seconds": round(self.longest, 3),
        }


class OpenGuard:
    """Knows every file that is opened while it is on, and fails for one that lies elsewhere."""

    def __init__(self) -> None:
        self._roots: tuple[str, ...] = ()
        self._inside = threading.local()
        self.strayed: list[str] = []
        self.opened = 0
        self._real_open = os.open
        # An audit hook stays for as long as the process does; off, it does nothing.
        sys.addaudithook(self._hook)

    def on(self, *roots: Path) -> None:
        python = (sys.prefix, sys.base_prefix, str(Path(np.__file__).parents[1]))
        self._roots = tuple(os.path.realpath(root) for root in (*map(str, roots), *python))

    def off(self) -> None:
        self._roots = ()

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        """Stand in for os.open: where a descriptor has led to shows only afterwards."""
        self._inside.now = True
        try:
            descriptor = self._real_open(path, flags, mode, dir_fd=dir_fd)
        finally:
            self._inside.now = False
        self._check(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        return descriptor

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._roots or event not in ("open", "os.listdir", "os.scandir"):
            return
        path = arguments[0]
        if event == "os.listdir" and path in sys.path:
            return  # Python looks for a module there.
        if isinstance(path, (str, bytes)) and not getattr(self._inside, "now", False):
            self._check(os.path.realpath(os.fsdecode(path)))

    def _check(self, path: str) -> None:
        if not self._roots:
            return
        self.opened += 1
        if not any(path == root or path.startswith(f"{root}/") for root in self._roots):
            self.strayed.append(path)


GUARD = OpenGuard()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """An inbox with pictures, and with links that lead out of it."""
    inbox = tmp_path / "share" / "inbox"
    (inbox / "deep" / "er").mkdir(parents=True)
    for name in ("a.png", "ä.png", "deep/b.png", "deep/er/c.png", "skyline.jpg", "whirls.jpg"):
        draw_picture(inbox / name, 32, 32, seed=1)
    draw_picture(inbox.parent / "secret.png", 32, 32, seed=2)
    (inbox / "link.png").symlink_to("../secret.png")
    (inbox / "out").symlink_to("..")
    (inbox / "etc").symlink_to("/etc")
    os.mkfifo(inbox / "pipe.png")
    return inbox


@pytest.fixture
def guard(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenGuard]:
    monkeypatch.setattr(os, "open", GUARD.open)
    GUARD.strayed.clear()
    GUARD.on(inbox, shipped_config())
    yield GUARD
    GUARD.off()


@pytest.mark.slow
def test_rule_04_no_job_file_crashes_the_reader_or_has_a_file_outside_opened(
    inbox: Path, guard: OpenGuard, seed: int
) -> None:
    root = Root(inbox)
    presets = (shipped_config() / "presets",)
    default = load_preset(DEFAULT_PRESET, presets)

    def attempt(data: bytes) -> bool:
        assert looks_cut_off(data) in (True, False)
        try:
            job = read_job(data, "x.yaml")
        except JobFault as fault:
            lines = str(fault).split("\n")
            assert all(line.startswith("x.yaml: ") and line.isprintable() for line in lines)
            return False
        look_for_files(job, root)
        try:
            settings = resolve(job, default, default)
            for spec in expand(job, settings, root, PurePosixPath("deep"), 1000):
                assert ".." not in PurePosixPath(spec.content).parts
        except (JobFault, NotReadyError) as refusal:
            assert all(line.isprintable() for line in str(refusal).split("\n"))
        return True

    inputs = Inputs("jobs", JOBS, seed)
    inputs.tried(attempt)
    guard.off()
    assert not guard.strayed
    assert guard.opened > INPUTS / 100
    record("fuzz-jobs", inputs.figures | {"files and folders opened": guard.opened})


def look_for_files(job: JobFile, root: Root) -> None:
    """Open whatever the job names, as the inbox does."""
    try:
        names = names_of(job)
    except JobFault:
        return
    for named in names:
        for folder in (PurePosixPath(), PurePosixPath("deep")):
            for look in (root.find, root.glob):
                try:
                    found = look(named.text, folder)
                    for path in found if isinstance(found, list) else [found]:
                        os.close(root.open_file(path))
                except (JobFault, NotReadyError):
                    continue


@pytest.mark.slow
def test_rule_17_no_picture_crashes_the_loader_or_has_another_file_opened(
    inbox: Path, guard: OpenGuard, seed: int
) -> None:
    file = inbox / "x.img"

    def attempt(data: bytes) -> bool:
        taken = True
        file.write_bytes(data)
        for look in (lambda: probe(io.BytesIO(data), "x.img", LIMITS),
                     lambda: load_picture(file, "x.img", LIMITS)):  # fmt: skip
            try:
                picture = look()
            except JobFault as fault:
                assert str(fault).startswith("x.img: found ")
                assert str(fault).isprintable()
                taken = False
            else:
                assert picture.width * picture.height <= LIMITS.max_pixels
        return taken

    inputs = Inputs("pictures", pictures(), seed)
    inputs.tried(attempt)
    guard.off()
    assert not guard.strayed
    assert guard.opened >= 2 * INPUTS
    record("fuzz-pictures", inputs.figures | {"files and folders opened": guard.opened})


def pictures() -> list[bytes]:
    """One small picture of each kind that is read, with all the extras that files have."""
    ramp = np.mgrid[0:24, 0:30].sum(0).astype(np.uint8)
    image = Image.fromarray(np.dstack([ramp, 255 - ramp, ramp * 3]))
    exif = Image.Exif()
    exif[0x0112] = 6
    palette = image.quantize(16)
    kinds: list[tuple[Image.Image, dict[str, Any]]] = [
        (image, {"format": "PNG", "exif": exif}),
        (image.convert("RGBA"), {"format": "PNG"}),
        (image.convert("I;16"), {"format": "PNG"}),
        (palette, {"format": "PNG", "transparency": 3}),
        (image, {"format": "PNG", "save_all": True, "append_images": [image.rotate(90)]}),
        (image, {"format": "JPEG", "exif": exif}),
        (image, {"format": "JPEG", "progressive": True}),
        (image.convert("CMYK"), {"format": "JPEG"}),
        (image, {"format": "TIFF", "exif": exif}),
        (image, {"format": "TIFF", "compression": "tiff_adobe_deflate"}),
        (image, {"format": "TIFF", "compression": "tiff_lzw"}),
        (image, {"format": "WEBP", "exif": exif}),
        (image, {"format": "WEBP", "lossless": True}),
        (image, {"format": "BMP"}),
        (palette, {"format": "GIF", "save_all": True, "append_images": [palette.rotate(90)]}),
    ]
    files = []
    for one, options in kinds:
        file = io.BytesIO()
        one.save(file, **options)
        files.append(file.getvalue())
    return files


@pytest.fixture
def outside(inbox: Path) -> Path:
    """A folder beside the inbox with a file of a name that the inbox has, too."""
    outside = inbox.parent / "outside"
    outside.mkdir()
    (outside / "b.png").write_bytes(SECRET)
    return outside


def test_folders_exchanged_for_links_meanwhile_lead_nowhere(
    inbox: Path, outside: Path, guard: OpenGuard
) -> None:
    """Somebody swaps a folder for a link that leads out, again and again, as fast as he can."""
    trap = inbox / "trap"
    trap.symlink_to(outside)
    ended = threading.Event()

    def exchange() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        here, there = os.fsencode(inbox / "deep"), os.fsencode(trap)
        while not ended.is_set():
            libc.renameat2(-100, here, -100, there, 2)

    thread = threading.Thread(target=exchange)
    thread.start()
    root = Root(inbox)
    looks: list[Callable[[], int]] = [
        lambda: root.open_file(PurePosixPath("deep/b.png")),
        lambda: root.open_file(root.find("deep/b.png", PurePosixPath())),
        lambda: root.open_file(root.glob("deep/*.png", PurePosixPath())[0]),
    ]
    read = refused = 0
    try:
        until = time.monotonic() + 6
        while time.monotonic() < until:
            for look in looks:
                try:
                    descriptor = look()
                except (JobFault, NotReadyError, IndexError):
                    refused += 1
                    continue
                with os.fdopen(descriptor, "rb") as file:
                    assert file.read() != SECRET
                read += 1
    finally:
        ended.set()
        thread.join()
    assert read > 0
    assert refused > 0
    assert not guard.strayed
