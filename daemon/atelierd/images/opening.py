"""Opening files with Pillow when nobody vouches for them.

Threat: a share to which many write. A file may be no picture, be cut off, be broken on purpose, or
promise more pixels than there is memory. Answers: only decoders of common formats are tried; size
limits are checked on the header, before any pixel is decoded; whatever a decoder throws becomes
one sentence. Risk that is accepted: a hole in libjpeg, zlib, libtiff or libwebp themselves; and
libtiff writes its own complaints about a broken file to standard error.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageFile, UnidentifiedImageError

from atelierd.errors import AtelierError, JobFault, WorldFault
from atelierd.images.picture import ImageLimits
from atelierd.images.sniff import HEAD_BYTES, allowed_format, what_is

#: The only formats whose decoders are tried, by Pillow's names. Pillow opens JPEG files that hold
#: several pictures (those of many phones) under JPEG and calls them MPO.
ALLOWED_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF")
ALLOWED_IN_WORDS = "PNG, JPEG, TIFF, WebP, BMP or GIF"

# The one change to Pillow's own state, and the same for every thread: Pillow's limit warns at 89
# megapixels and refuses 179, whatever ImageLimits say. `check_limits` takes its place.
Image.MAX_IMAGE_PIXELS = None

#: The share or the disk failed, not the picture.
_WORLD_ERRNOS = frozenset(
    {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.EREMOTEIO}
)

# Python keeps its warning filters per process, not per thread, so pictures are opened one at a
# time; the alternative is that Pillow's warnings land on the daemon's standard error.
_one_at_a_time = threading.Lock()


@dataclass
class Opened:
    """A picture file whose header has been read and found within the limits."""

    image: ImageFile.ImageFile
    notes: list[str] = field(default_factory=list)


@contextlib.contextmanager
def opened(file: BinaryIO | Path, name: str, limits: ImageLimits) -> Iterator[Opened]:
    """Open `file` with Pillow for the length of the block; `name` stands for it in messages.

    Anything that Pillow throws in the block is translated: the block ends normally or raises
    JobFault (no picture, damaged, too big), or WorldFault (the disk or the share failed while it
    was read). Pillow's warnings are added to the notes when the block ends.
    """
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(_open_path(file, name)) if isinstance(file, Path) else file
        stack.enter_context(_one_at_a_time)
        warned = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        head, size = b"", 0
        image: ImageFile.ImageFile | None = None
        try:
            head, size = _look_at(stream, name, limits)
            image = stack.enter_context(Image.open(stream, formats=ALLOWED_FORMATS))
            check_limits(image.size, name, limits)
            result = Opened(image)
            yield result
        except AtelierError:
            raise
        except OSError as error:
            raise _translated(error, name, image, head, size) from error
        except MemoryError as error:
            raise JobFault(
                f"{name}: decoding its {size:,} bytes takes more memory than there is; "
                "make the picture smaller first"
            ) from error
        except Exception as error:  # decoders throw nearly every type on broken files
            raise _damaged(error, name, image, head, size) from error
        result.notes.extend(dict.fromkeys(f"Pillow says: {_one_line(w.message)}" for w in warned))


def check_limits(size: tuple[int, int], name: str, limits: ImageLimits) -> None:
    """Raise JobFault if a picture of `size` = (width, height) is beyond the limits."""
    width, height = size
    if width * height > limits.max_pixels:
        raise JobFault(
            f"{name}: found {width} x {height} pixels ({width * height / 1e6:,.1f} megapixels), "
            f"expected at most {limits.max_pixels / 1e6:,.1f} megapixels; make it smaller first"
        )
    if max(size) > limits.max_side:
        raise JobFault(
            f"{name}: found {width} x {height} pixels, expected at most {limits.max_side} pixels "
            "a side; make it smaller first"
        )


@contextlib.contextmanager
def _open_path(path: Path, name: str) -> Iterator[BinaryIO]:
    try:
        # Without O_NONBLOCK a FIFO of that name would block for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise JobFault(f"{name}: there is no such file; check the name and the folder") from error
    except OSError as error:
        raise _translated(error, name, None, b"", 0) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise JobFault(f"{name}: found a folder or a device, expected a picture file")
    with os.fdopen(descriptor, "rb") as stream:
        yield stream


def _look_at(stream: BinaryIO, name: str, limits: ImageLimits) -> tuple[bytes, int]:
    """Return the first bytes and the size in bytes of a file that may be opened."""
    size = stream.seek(0, os.SEEK_END)
    if size == 0:
        raise JobFault(
            f"{name}: found an empty file (0 bytes), expected a picture ({ALLOWED_IN_WORDS}); "
            "copy it again"
        )
    if size > limits.max_bytes:
        raise JobFault(
            f"{name}: found a file of {size / 1e6:,.1f} MB, expected at most "
            f"{limits.max_bytes / 1e6:,.1f} MB; make it smaller first"
        )
    stream.seek(0)
    return stream.read(HEAD_BYTES), size


def _translated(
    error: OSError, name: str, image: ImageFile.ImageFile | None, head: bytes, size: int
) -> AtelierError:
    if error.errno in _WORLD_ERRNOS:
        return WorldFault(f"{name}: the disk or the share failed while it was read: {error}")
    if error.errno is not None and not head:
        return JobFault(f"{name}: cannot be opened: {error.strerror or error}")
    return _damaged(error, name, image, head, size)


def _damaged(
    error: Exception, name: str, image: ImageFile.ImageFile | None, head: bytes, size: int
) -> JobFault:
    kind = allowed_format(head)
    if image is None and kind is None:
        return JobFault(
            f"{name}: found {what_is(head)}, expected a picture ({ALLOWED_IN_WORDS}); "
            "save or copy it again in one of these formats"
        )
    reason = _one_line(error)
    if isinstance(error, UnidentifiedImageError):
        reason = "the header is damaged or tells of a rare kind that cannot be read"
    promised = "" if image is None else f"the {image.width} x {image.height} pixels of "
    return JobFault(
        f"{name}: found a damaged or cut off {kind or 'picture'} file: {promised}its {size:,} "
        f"bytes cannot be decoded ({reason}); copy or save it again"
    )


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
