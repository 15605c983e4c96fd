"""PyTorch's errors as faults of the node."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from atelierd.errors import NodeFault, OutOfMemoryFault

#: What libraries say beside PyTorch's own allocators: the driver; cuBLAS, cuDNN and cuSOLVER, whose
#: handles and workspaces are allocated past PyTorch; the C++ library.
_DEVICE_WORDS = ("CUDA error: out of memory", "_ALLOC_FAILED")
_MACHINE_WORDS = ("DefaultCPUAllocator", "can't allocate memory", "std::bad_alloc")


@contextmanager
def device_faults() -> Iterator[None]:
    """Turn PyTorch's errors into faults of the node.

    Raises OutOfMemoryFault when the device or the machine has no memory left, NodeFault for any
    other failure of the device.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemoryFault(f"the device ran out of memory: {error}") from error
    except MemoryError as error:
        raise OutOfMemoryFault("the machine ran out of memory") from error
    except (RuntimeError, AssertionError) as error:  # the latter where PyTorch lacks CUDA
        text = str(error)
        if any(words in text for words in _DEVICE_WORDS):
            raise OutOfMemoryFault(f"the device ran out of memory: {text}") from error
        if any(words in text for words in _MACHINE_WORDS):
            raise OutOfMemoryFault(f"the machine ran out of memory: {text}") from error
        if "CUDA" in text or "cuDNN" in text or "CUBLAS" in text:
            raise NodeFault(f"the device failed: {text}") from error
        raise
