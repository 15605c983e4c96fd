"""A GPU's memory, as far as this process is concerned."""

from __future__ import annotations

import torch


class CudaMemory:
    """What PyTorch's allocator has of a GPU; the context's own few hundred megabytes are extra."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def available(self) -> int:
        """Return the bytes that are free, with those that the allocator has already."""
        free, _ = torch.cuda.mem_get_info(self._device)
        return int(free) + self.taken()

    def taken(self) -> int:
        """Return the bytes that the allocator has, in use or not."""
        return int(torch.cuda.memory_reserved(self._device))

    def peak(self) -> int:
        """Return the most bytes that it has had since `forget_peak`."""
        return int(torch.cuda.max_memory_reserved(self._device))

    def forget_peak(self) -> None:
        """Give back what is not in use, and begin anew with the peak."""
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self._device)
