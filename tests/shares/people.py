"""What somebody does with a share through Samba, remembered for the audit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image
from tests.faults.yard import Yard, draw_picture
from tests.shares.samba import SambaServer, Upload


class Person:
    """Works on a machine of their own, whose disk is the folder `desk`."""

    def __init__(self, yard: Yard, samba: SambaServer, desk: Path) -> None:
        self._yard = yard
        self._samba = samba
        self._desk = desk
        self._files = 0
        desk.mkdir()

    def put(self, name: str, data: bytes, *, by: str = "") -> None:
        """Copy a file into the inbox; with `by`, under that name first, then renamed."""
        here = self.file(data)
        there = self._there(name)
        if by:
            first = self._there(by)
            self._samba.client(f'put "{here}" "{first}"', f'rename "{first}" "{there}" -f')
        else:
            self._samba.client(f'put "{here}" "{there}"')

    def file(self, data: bytes) -> Path:
        """Put a file on the desk."""
        self._files += 1
        path = self._desk / f"{self._files}"
        path.write_bytes(data)
        return path

    def folder(self, name: str) -> None:
        """Make a folder in the inbox."""
        self._samba.client(f'mkdir "{self._there(name)}"')

    def picture(self, name: str, width: int = 48, height: int = 40, seed: int = 1) -> bytes:
        """Copy a picture into the inbox and return what is in it."""
        data = self.drawn(width, height, seed)
        self.put(name, data)
        self.expect_picture(name)
        return data

    def drawn(self, width: int = 48, height: int = 40, seed: int = 1) -> bytes:
        """Return the bytes of a picture."""
        draw_picture(self._desk / "drawn.png", width, height, seed)
        return (self._desk / "drawn.png").read_bytes()

    def noise(self, side: int, seed: int = 1) -> bytes:
        """Return the bytes of a square picture, about three of them a pixel."""
        values = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
        Image.fromarray(values).save(self._desk / "noise.png")
        return (self._desk / "noise.png").read_bytes()

    def expect_picture(self, name: str) -> None:
        """From now on, nobody is to touch this picture."""
        path = self._yard.inbox / name
        self._yard.pictures_put[name] = (path.stat().st_mtime_ns, path.read_bytes())

    def drop(self, name: str, job: Mapping[str, Any] | str | bytes, *, by: str = "") -> None:
        """Put a job file into the inbox: it must become one job."""
        text = job if isinstance(job, (str, bytes)) else yaml.safe_dump(dict(job), sort_keys=False)
        data = text.encode() if isinstance(text, str) else text
        self._yard.dropped.append((name, data))
        self.put(name, data, by=by)

    def begin(self, name: str, data: bytes, port: int | None = None) -> Upload:
        """Begin to copy a file into the inbox."""
        return self._samba.upload(f'put "{self.file(data)}" "{self._there(name)}"', port)

    def ask(self, *orders: str) -> str:
        """Do something else, in smbclient's words."""
        return self._samba.client(*orders)

    def try_to(self, *orders: str) -> str:
        """Do what may be refused, and return what is said."""
        return self._samba.attempt(*orders)

    def fetch(self, path: str) -> bytes:
        """Return a file of the share's, such as `outbox/job/result.json`."""
        here = self._desk / "fetched"
        self._samba.client(f'get "{path}" "{here}"')
        return here.read_bytes()

    def _there(self, name: str) -> str:
        return f"inbox/{name}".replace("/", "\\")
