"""Showing that a device computes before anybody counts on it."""

from __future__ import annotations

import torch
from torch.nn.functional import conv2d

from atelierd.engines.torch.faults import device_faults
from atelierd.errors import NodeFault


def prove(device: str) -> str:
    """Convolve something on `device` (`auto`, `cpu`, `cuda`, `cuda:N`) and return what it is.

    A convolution is what a hardened service or a broken driver breaks first: oneDNN writes machine
    code for it, a GPU loads its library. Raises NodeFault.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    with device_faults(), torch.inference_mode():
        # All ones: each inner pixel of a 3 x 3 kernel over 16 channels is 144.
        image = torch.ones((1, 16, 8, 8), device=device)
        kernels = torch.ones((16, 16, 3, 3), device=device)
        got = float(conv2d(image, kernels).mean())
    if got != 144.0:
        raise NodeFault(f"it computes wrongly: a convolution gave {got}, not 144")
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu"
    return f"PyTorch {torch.__version__} computes on {name}"
