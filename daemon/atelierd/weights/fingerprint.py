"""Recognition of a network's convention by its first convolution.

Three things cannot be seen from a file's shapes: the order of the input channels, the input's
scale, and whether the kernels are turned by 180 degrees. The Oxford networks' first convolutions
are stored beside this module (`oxford_conv1_1.npz`; by Karen Simonyan and Andrew Zisserman, CC BY
4.0; VGG19's is the 8-bit codebook's). A file's first convolution is undone under every convention
and compared with them: the right one lies within rounding of the reference, the nearest wrong one
at a relative distance of 0.56, and VGG16's from VGG19's at 0.16. A network of another training is
far from all of them; it is taken by what its format documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from atelierd.errors import WeightsError
from atelierd.weights.convention import CONVENTIONS, Convention, first_to_canonical
from atelierd.weights.formats.found import Found, Layer
from atelierd.weights.network import NETWORKS, Convolution, Network, kernel_shapes

#: Relative distance to a reference below which a first convolution is taken for it (fine-tuned
#: networks included); half of what separates the right convention from the nearest wrong one.
NEAR = 0.28


def identify(found: Found, name: str) -> Network:
    """Return which VGG the shapes belong to.

    Raises WeightsError, with what was found, if they are no VGG's or a number is not finite.
    """
    shapes = [layer.kernels.shape for layer in found.layers]
    for network in NETWORKS:
        if shapes == list(kernel_shapes(network)):
            _check_numbers(found.layers, name)
            return network
    raise WeightsError(
        f"{name}: not a VGG16 or VGG19 ({found.format}): found {_described(shapes)}, expected 13 "
        "or 16 of 3x3, from 3 channels to 64 in the first and to 512 in the last."
    )


def recognize(found: Found, name: str) -> tuple[Convention, str]:
    """Return the convention that the first convolution follows, and how it was known, in words.

    Raises WeightsError if neither the numbers nor the format tell.
    """
    first = found.layers[0].as_convolution()
    distance, _, convention, reference = min(
        (_distance(first, convention, reference), index, convention, network)
        for index, convention in enumerate(CONVENTIONS)
        for network, reference in _references().items()
    )
    if distance < NEAR:
        return convention, (
            f"{convention}; recognized by Oxford {reference.upper()}'s first convolution "
            f"(relative distance {distance:.1e})"
        )
    if found.documented is not None:
        return found.documented, (
            f"{found.documented}; as {found.format} files document it, for the numbers are not "
            f"Oxford's (relative distance {distance:.2f})"
        )
    raise WeightsError(
        f"{name}: {found.format} does not say whether the network takes RGB or BGR and at which "
        f"scale, and its first convolution is not Oxford's (relative distance {distance:.2f}). "
        "Save it with torchvision's or Keras' layer names, which have a documented convention."
    )


def _distance(first: Convolution, convention: Convention, reference: NDArray[np.float32]) -> float:
    kernels = first_to_canonical(first, convention).kernels.astype(np.float64)
    return float(np.linalg.norm(kernels - reference) / np.linalg.norm(reference))


@cache
def _references() -> dict[Network, NDArray[np.float32]]:
    data = files(__package__).joinpath("oxford_conv1_1.npz").read_bytes()
    with np.load(BytesIO(data)) as arrays:
        return {network: arrays[network] for network in NETWORKS}


def _check_numbers(layers: Sequence[Layer], name: str) -> None:
    for layer in layers:
        for what, array in (("kernels", layer.kernels), ("bias", layer.bias)):
            if array.dtype.kind != "f":
                raise WeightsError(
                    f"{name}: {layer.name}: the {what} are {array.dtype}, expected floating point."
                )
            with np.errstate(over="ignore"):  # float64 beyond float32 becomes infinite
                finite = np.isfinite(array.astype(np.float32, copy=False))
            bad = array.size - int(np.count_nonzero(finite))
            if bad:
                raise WeightsError(
                    f"{name}: {layer.name}: {bad} of {array.size} numbers of the {what} are not "
                    "finite (NaN or infinity); the file is damaged, fetch it again."
                )
        if layer.bias.shape != layer.kernels.shape[:1]:
            raise WeightsError(
                f"{name}: {layer.name}: bias of shape {layer.bias.shape}, expected "
                f"{layer.kernels.shape[:1]}."
            )


def _described(shapes: Sequence[tuple[int, ...]]) -> str:
    if not shapes:
        return "no convolutions"
    listed = ", ".join("x".join(map(str, shape)) for shape in shapes[:20])
    more = f" and {len(shapes) - 20} more" if len(shapes) > 20 else ""
    return f"{len(shapes)} convolutions ({listed}{more})"
