"""One file over HTTP: resumed where it was cut off, verified against its pin."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import requests
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import ConnectTimeout, RequestException, SSLError, Timeout
from urllib3.exceptions import NameResolutionError, NewConnectionError

from atelierd import durable
from atelierd.errors import WeightsError
from atelierd.weights.catalog import Digest, Download

logger = logging.getLogger(__name__)

#: Called while a source is fetched: its title, bytes so far, bytes in all (None if not known).
Progress = Callable[[str, int, int | None], None]

#: Bytes read at a time; as many may be asked for again after a cut-off.
CHUNK = 1 << 16


@dataclass(frozen=True)
class Timing:
    """How long to wait for what."""

    connect: timedelta = timedelta(seconds=5)
    """A host that takes longer to connect is out of reach; it is not tried again."""
    read: timedelta = timedelta(seconds=20)
    """Longest silence before and within an answer."""
    back_off: tuple[timedelta, ...] = (
        timedelta(seconds=1),
        timedelta(seconds=3),
        timedelta(seconds=9),
    )
    """Waits before trying again after failures that may pass, while no byte is won."""


DEFAULT_TIMING = Timing()


class _PassingError(WeightsError):
    """A failure that may pass: the download goes on from where it is."""


class _Partial:
    """The part of a file that is here, and the server's mark of the version it belongs to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mark = path.with_name(path.name + ".version")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def version(self) -> str | None:
        return self._mark.read_text() if self._mark.exists() else None

    def restart(self, version: str | None) -> None:
        self.remove()
        self.path.touch()
        if version:
            durable.write_text(self._mark, version)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self._mark.unlink(missing_ok=True)


@contextmanager
def downloaded(
    source: Download, folder: Path, progress: Progress, timing: Timing = DEFAULT_TIMING
) -> Iterator[Path]:
    """Download the source's file below `folder` and give its path while the block runs.

    A download that is cut off stays there and is resumed by the next call; a whole one is removed
    after the block. Raises WeightsError with the reason, OSError if `folder` cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    partial = _Partial(folder / _partial_name(source.url))
    resumed = partial.size > 0
    _complete(source, partial, progress, timing)
    wrong = _mismatch(partial.path, source.digest)
    if wrong and resumed:
        logger.info("%s: the resumed file is not whole, starting over", source.title)
        partial.remove()
        _complete(source, partial, progress, timing)
        wrong = _mismatch(partial.path, source.digest)
    try:
        if wrong:
            raise WeightsError(wrong)
        yield partial.path
    finally:
        partial.remove()


def _partial_name(url: str) -> str:
    """Return the file's own name, made safe, behind a mark of the whole URL."""
    name = re.sub(r"[^\w.-]", "_", PurePosixPath(urlsplit(url).path).name)[-60:]
    return f"{hashlib.sha256(url.encode()).hexdigest()[:8]}-{name}"


def _complete(source: Download, partial: _Partial, progress: Progress, timing: Timing) -> None:
    failures = 0
    while True:
        before = partial.size
        try:
            _request(source, partial, progress, timing)
            return
        except _PassingError as error:
            failures = 1 if partial.size > before else failures + 1
            if failures > len(timing.back_off):
                raise WeightsError(f"{error}; gave up after {failures} tries") from error
            wait = timing.back_off[failures - 1]
            logger.info("%s: %s; trying again in %s", source.title, error, wait)
            time.sleep(wait.total_seconds())


def _request(source: Download, partial: _Partial, progress: Progress, timing: Timing) -> None:
    """Ask once for what is missing and append it. Raises WeightsError or _PassingError."""
    have, version = partial.size, partial.version
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if version:
            headers["If-Range"] = version
    with _answer(source.url, headers, timing) as response:
        if response.status_code == 416 and _whole_size(response) == have:
            return
        if response.status_code == 416:
            partial.remove()
            raise _PassingError("the file there is another one now")
        if response.status_code == 429 or response.status_code >= 500:
            raise _PassingError(f"it answered {response.status_code} {response.reason}")
        if response.status_code not in (200, 206):
            raise WeightsError(f"it answered {response.status_code} {response.reason}")
        if response.status_code == 200:
            partial.restart(_version(response))
        elif _start(response) != have or _version(response) != version:
            partial.remove()
            raise _PassingError("it did not go on where the download was cut off")
        _append(source.title, response, partial, progress)


def _append(title: str, response: requests.Response, partial: _Partial, progress: Progress) -> None:
    done = partial.size
    length = response.headers.get("Content-Length")
    total = done + int(length) if length and length.isdigit() else None
    with partial.path.open("ab") as file:
        try:
            progress(title, done, total)
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                done += len(chunk)
                progress(title, done, total)
        except RequestException as error:
            raise _PassingError(f"the connection broke after {done} bytes") from error
    if total is not None and done < total:
        raise _PassingError(f"the connection broke after {done} of {total} bytes")


def _answer(url: str, headers: dict[str, str], timing: Timing) -> requests.Response:
    limits = (timing.connect.total_seconds(), timing.read.total_seconds())
    try:
        return requests.get(url, headers=headers, stream=True, timeout=limits)
    except ConnectTimeout as error:
        raise WeightsError(f"no connection within {limits[0]:g} s") from error
    except Timeout as error:
        raise _PassingError(f"no answer within {limits[1]:g} s") from error
    except SSLError as error:
        raise WeightsError("its certificate could not be verified") from error
    except RequestsConnectionError as error:
        cause = getattr(error.args[0] if error.args else None, "reason", None)
        if isinstance(cause, NameResolutionError):
            raise WeightsError("its host name is not known here") from error
        if isinstance(cause, NewConnectionError):
            raise WeightsError("it refuses connections or cannot be reached") from error
        raise _PassingError("the connection broke before it answered") from error
    except RequestException as error:
        raise WeightsError(f"it cannot be asked: {type(error).__name__}") from error


def _version(response: requests.Response) -> str | None:
    """Return what If-Range takes: a strong entity tag, else the date of the last change."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def _start(response: requests.Response) -> int | None:
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _whole_size(response: requests.Response) -> int | None:
    match = re.fullmatch(r"bytes \*/(\d+)", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _mismatch(path: Path, pin: Digest | None) -> str | None:
    """Return what is wrong with the file's digest, None if nothing is."""
    if pin is None:
        return None
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "md5" if pin.kind == "md5" else "sha256").hexdigest()
    if found.startswith(pin.value):
        return None
    size = path.stat().st_size
    return (
        f"the file of {size} bytes has {pin.kind} {found[: len(pin.value)]}, expected {pin.value}"
    )
