"""One way in: any file of VGG weights becomes `Weights` in the canonical convention.

The format is told by the file's content, not by its name, for names lie: the tutorial's HDF5 ends
in `.bin`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from hashlib import file_digest
from pathlib import Path

from atelierd.errors import WeightsError
from atelierd.weights import fingerprint
from atelierd.weights.convention import to_canonical
from atelierd.weights.formats import canonical, hdf5, npz, onnx_file, safetensors_file, torch_file
from atelierd.weights.formats.found import Found
from atelierd.weights.network import Weights, numbers_sha256

logger = logging.getLogger(__name__)


def load_weights(path: Path) -> Weights:
    """Read a file of VGG16 or VGG19 weights, of any format that is known, and put it right.

    Raises WeightsError, naming the file and what was found, if it cannot be read or is no VGG.
    """
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror}.") from error
    if _is_safetensors(start) and canonical.read_metadata(path).get("format") == canonical.FORMAT:
        return canonical.read(path)
    found = _read(path, start)
    network = fingerprint.identify(found, str(path))
    convention, how = fingerprint.recognize(found, str(path))
    logger.info("%s: %s, %s: %s", path, network, found.format, how)
    convolutions = to_canonical([layer.as_convolution() for layer in found.layers], convention)
    origin = f"{path.name} ({found.format}; {how})"
    return Weights(network, convolutions, numbers_sha256(convolutions), origin)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes. Raises OSError."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _is_safetensors(start: bytes) -> bool:
    return len(start) > 8 and start[8:9] == b"{" and start[6:8] == b"\0\0"


def _read(path: Path, start: bytes) -> Found:
    read = _reader(path, start)
    try:
        return read(path)
    except WeightsError:
        raise
    except Exception as error:
        raise WeightsError(
            f"{path}: damaged or cut off: {type(error).__name__}: {error}. Fetch the file again."
        ) from error


def _reader(path: Path, start: bytes) -> Callable[[Path], Found]:
    """Return the reader for a file that begins with `start`. Raises WeightsError."""
    if not start:
        raise WeightsError(f"{path}: the file is empty.")
    if _is_safetensors(start):
        return safetensors_file.read
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        return hdf5.read
    if start.startswith(b"PK\x03\x04"):  # a zip archive; the first entry's name tells whose
        name = start[30 : 30 + int.from_bytes(start[26:28], "little")]
        return npz.read if name.endswith(b".npy") else torch_file.read
    if start.startswith(b"\x80\x02"):  # a pickle, as torch.save wrote before version 1.6
        return torch_file.read
    if start.startswith(b"\x08"):  # the protobuf field ir_version
        return onnx_file.read
    raise WeightsError(
        f"{path}: not a file of network weights: it begins with {start[:16]!r}, expected HDF5, "
        ".npz, PyTorch, safetensors or ONNX."
    )
