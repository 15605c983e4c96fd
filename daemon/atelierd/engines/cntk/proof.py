"""A known answer: one convolution's value and gradient by CNTK, against NumPy by hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atelierd.engines.cntk import server as protocol
from atelierd.engines.cntk.client import Server
from atelierd.engines.cntk.installation import CntkInstallError, Installation
from atelierd.engines.cntk.patience import Patience
from atelierd.errors import NodeFault

#: Agreement asked of float32 sums of a few hundred addends.
_TOLERANCE = 1e-5

Floats = NDArray[np.float64]


def _convolved(x: Floats, kernels: Floats, bias: Floats) -> Floats:
    """Correlate `x` `(3, H, W)` with `(out, 3, 3, 3)` kernels, zero padding 1, then ReLU."""
    _, height, width = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    y = np.tile(bias[:, None, None], (1, height, width))
    for i in range(3):
        for j in range(3):
            window = padded[:, i : i + height, j : j + width]
            y += np.einsum("oc,chw->ohw", kernels[:, :, i, j], window)
    return np.maximum(y, 0)


def _convolved_back(gradient: Floats, kernels: Floats) -> Floats:
    """Return the gradient in x, `(3, H, W)`, from the one before the ReLU."""
    _, height, width = gradient.shape
    padded = np.zeros((3, height + 2, width + 2))
    for i in range(3):
        for j in range(3):
            window = padded[:, i : i + height, j : j + width]
            window += np.einsum("oc,ohw->chw", kernels[:, :, i, j], gradient)
    return padded[:, 1:-1, 1:-1]


def prove(installation: Installation) -> None:
    """Compare a small evaluation on the installed CNTK with the same one worked out in NumPy.

    It goes through the server, so interpreter, libraries, device and protocol are proved with it.
    Raises CntkInstallError.
    """
    random = np.random.default_rng(2016)
    kernels = random.normal(size=(4, 3, 3, 3)).astype(np.float32)
    bias = random.normal(size=4).astype(np.float32)
    content, x = random.normal(size=(2, 3, 7, 6)).astype(np.float32)
    y = _convolved(*(a.astype(np.float64) for a in (x, kernels, bias)))
    target = _convolved(*(a.astype(np.float64) for a in (content, kernels, bias)))
    value = float(((y - target) ** 2).mean())
    slope = 2 * (y - target) * (y > 0) / y.size
    gradient = _convolved_back(slope, kernels.astype(np.float64))

    hello = {
        "blocks": [1],
        "gpu": 0 if installation.gpu else None,
        "threads": 1,
        "memory_limit": 1 << 30,
    }
    recipe = {"content": [["conv0", 1.0]], "style": [], "tv_weight": 0.0, "centered": True}
    seconds = Patience().start.total_seconds()
    try:
        server = Server(
            installation,
            hello,
            [("conv0/kernels", kernels), ("conv0/bias", bias)],
            threads=1,
            seconds=seconds,
        )
        try:
            compiled = server.call(
                protocol.OBJECTIVE,
                {"recipe": recipe, "shares": []},
                [("content", content)],
                seconds=seconds,
                doing="compiling the known-answer evaluation",
            )
            answer = server.call(
                protocol.EVALUATE,
                {"token": compiled.description["token"]},
                [("x", x)],
                seconds=seconds,
                doing="computing the known-answer evaluation",
            )
        finally:
            server.close()
    except NodeFault as fault:
        raise CntkInstallError(f"CNTK was installed but does not work: {fault}") from fault
    off_value = abs(answer.description["value"] / value - 1)
    difference = np.linalg.norm(answer.arrays["gradient"] - gradient)
    off_gradient = float(difference / np.linalg.norm(gradient))
    if not max(off_value, off_gradient) < _TOLERANCE:
        raise CntkInstallError(
            f"CNTK was installed but computes wrongly on this machine: a convolution's value is "
            f"off by {off_value:.1e} and its gradient by {off_gradient:.1e} (relative), expected "
            f"under {_TOLERANCE:.0e}"
        )
