"""The CNTK engine: weights, objectives and vectors on this side, CNTK 2.7 in its own process."""

from __future__ import annotations

import os
import re
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np

from atelierd.engines.base import (
    WHOLE,
    Execution,
    Image,
    Mask,
    Precision,
    StyleImage,
    WantedPrecision,
)
from atelierd.engines.cntk import server as protocol
from atelierd.engines.cntk.client import NamedArrays, ReplacedError, Server
from atelierd.engines.cntk.installation import Installation, usable
from atelierd.engines.cntk.patience import Patience
from atelierd.engines.recipe import BLOCKS, Recipe
from atelierd.errors import ConfigError, JobFault
from atelierd.weights.network import Weights

#: How much of the machine's memory compiled objectives may take, if nobody says.
_DEFAULT_MEMORY_SHARE = 0.5
#: What a compiled graph of all of VGG16 takes per pixel at the least: 15,000 to 21,000 bytes were
#: measured with AVX2 at 128 to 400 px, three times as much without.
_LEAST_BYTES_PER_PIXEL = 14_000


class CntkObjective:
    """One size and recipe, compiled in the server; NumPy arrays in and out."""

    def __init__(
        self, engine: CntkEngine, recipe: Recipe, content: Image, styles: Sequence[StyleImage]
    ) -> None:
        self._engine = engine
        self._recipe = recipe
        self._content = content
        self._styles = styles
        self._latest: Mapping[str, float] = {}
        self._token = self._compile()

    @property
    def shape(self) -> tuple[int, int, int]:
        """(3, H, W) of the images that it takes."""
        _, height, width = self._content.shape
        return 3, height, width

    def value_and_grad(self, x: Image) -> tuple[float, Image]:
        """Return the objective at `x` `(3, H, W)` and its gradient, float32 of the same shape.

        `x` may be of another float type and is rounded to float32. Raises NodeFault,
        OutOfMemoryFault.
        """
        reply = self._call(protocol.EVALUATE, x)
        self._latest = _terms_of(reply)
        return float(reply.description["value"]), reply.arrays["gradient"]

    @property
    def latest(self) -> Mapping[str, float]:
        """The addends of the last `value_and_grad`."""
        return self._latest

    def terms(self, x: Image) -> Mapping[str, float]:
        """Return the objective's addends at `x`: keys `content`, `style`, `tv`."""
        return _terms_of(self._call(protocol.TERMS, x))

    def _compile(self) -> int:
        reply = self._engine.compile(self._recipe, self._content, self._styles)
        self._engine.latest[self._recipe, self.shape] = self
        return int(reply.description["token"])

    def _call(self, kind: int, x: Image) -> protocol.Message:
        if x.shape != self.shape:
            raise ValueError(f"an image of shape {x.shape}, expected {self.shape}")
        try:
            return self._engine.evaluate(kind, self._token, x)
        except ReplacedError:
            if self._engine.latest.get((self._recipe, self.shape)) is not self:
                raise RuntimeError(
                    f"this objective was replaced by a later one of the size {self.shape[1:]}"
                ) from None
            # It was dropped to make room for another size.
            self._token = self._compile()
            return self._engine.evaluate(kind, self._token, x)


class CntkEngine:
    """CNTK 2.7 with one network's weights resident on one device.

    Ends its server with any fault; a new engine is then needed. Not to be shared between threads.
    """

    def __init__(
        self,
        weights: Weights,
        installation: Installation,
        device: str = "cpu",
        *,
        threads: int | None = None,
        memory_limit: int | None = None,
        patience: Patience | None = None,
    ) -> None:
        """Start the server and send it the weights.

        Device is `cpu` or `gpu(N)`; `threads` None leaves their number to CNTK; objectives are
        dropped, the least recently used first, when the server's resident memory goes over
        `memory_limit` bytes (None: half the machine's). Raises ConfigError, NodeFault.
        """
        self._weights = weights
        self._patience = patience or Patience()
        self._threads = threads
        #: Seconds per pixel of the slowest evaluation so far.
        self._slowest: float | None = None
        #: The objective returned last for each recipe and shape, as long as someone holds it.
        self.latest: weakref.WeakValueDictionary[
            tuple[Recipe, tuple[int, int, int]], CntkObjective
        ] = weakref.WeakValueDictionary()
        gpu = _gpu(device)
        self._on_cpu = gpu is None
        if gpu is not None and not installation.gpu:
            raise ConfigError(
                f"engine cntk: device {device} needs the GPU build of CNTK, found the CPU build "
                f"in {installation.folder}; run: atelierd cntk install --gpu"
            )
        if memory_limit is None:
            memory_limit = int(_machine_memory() * _DEFAULT_MEMORY_SHARE)
        hello = {
            "blocks": BLOCKS[weights.network],
            "gpu": gpu,
            "threads": threads,
            "memory_limit": memory_limit,
        }
        arrays: list[tuple[str, Image]] = []
        for i, convolution in enumerate(weights.convolutions):
            arrays.append((f"conv{i}/kernels", convolution.kernels))
            arrays.append((f"conv{i}/bias", convolution.bias))
        self._server = Server(
            installation,
            hello,
            arrays,
            threads=threads,
            seconds=self._patience.start.total_seconds(),
        )

    @property
    def name(self) -> str:
        """Always `cntk`."""
        return "cntk"

    @property
    def pid(self) -> int:
        """The server's process id, for measuring it."""
        return self._server.pid

    @property
    def fast_precision(self) -> Precision:
        """Always `fp32`: CNTK 2.7 knows no bf16."""
        return "fp32"

    def precision(self, wanted: WantedPrecision) -> Precision:  # noqa: ARG002 - as above
        """Return `fp32`, whatever is wanted."""
        return "fp32"

    def describe(self) -> Mapping[str, str]:
        """Return name, version, device and network, for logs and receipts."""
        return {
            "engine": self.name,
            "version": str(self._server.versions["cntk"]),
            "device": str(self._server.versions["device"]),
            "threads": "all cores" if self._threads is None else str(self._threads),
            "network": self._weights.network,
            "weights": self._weights.sha256,
        }

    def objective(
        self,
        recipe: Recipe,
        content: Image,
        styles: Sequence[StyleImage],
        precision: Precision = "fp32",  # noqa: ARG002 - the protocol's; there is fp32 alone
        execution: Execution = WHOLE,  # noqa: ARG002 - CNTK plans its memory itself
        regions: Sequence[Mask] = (),
    ) -> CntkObjective:
        """Compile, or take from the cache, the objective at the content's size.

        Content `(3, H, W)` and styles (each of any size) are network inputs; the shares of the
        styles are scaled to a sum of 1. It computes in fp32, whatever is asked for. Raises
        JobFault if an image is too small for the recipe or there are regions, NodeFault,
        OutOfMemoryFault.
        """
        if regions:
            raise JobFault("masks: engine cntk has none; take them out, or say `engine: torch`")
        if recipe.network != self._weights.network:
            raise ValueError(f"a recipe for {recipe.network}, weights of {self._weights.network}")
        if recipe.style and not sum(style.share for style in styles) > 0:
            raise ValueError("the recipe has style layers, but no style image has a share")
        least = _least_side(recipe)
        for what, image in (("content", content), *(("style", s.image) for s in styles)):
            _, height, width = image.shape
            if min(height, width) < least:
                raise JobFault(
                    f"the {what} image is {width}x{height} px when it reaches the network, which "
                    f"needs at least {least} px a side; use a larger size"
                )
        self._refuse_huge(*content.shape[1:])
        return CntkObjective(self, recipe, content, styles if recipe.style else ())

    def _refuse_huge(self, height: int, width: int) -> None:
        """Raise JobFault for a size that this machine could only try, and bring down, in vain."""
        needed, there = _LEAST_BYTES_PER_PIXEL * height * width, _machine_memory()
        if self._on_cpu and needed > there:
            raise JobFault(
                f"size: {width} x {height} needs {needed / 2**30:,.0f} GiB of memory or more with "
                f"engine: cntk, and this machine has {there / 2**30:,.0f} GiB; use engine: torch, "
                "or a smaller size"
            )

    def has_compiled(
        self,
        recipe: Recipe,
        height: int,
        width: int,
        precision: Precision,  # noqa: ARG002 - as in `objective`
        execution: Execution = WHOLE,  # noqa: ARG002 - likewise
    ) -> bool:
        """Whether the objective of this recipe and size would come from the cache."""
        reply = self._server.call(
            protocol.KNOWN,
            {"recipe": _plain(recipe), "size": [height, width]},
            seconds=self._patience.least.total_seconds(),
            doing="looking for a compiled objective",
        )
        return bool(reply.description["known"])

    def compile(
        self, recipe: Recipe, content: Image, styles: Sequence[StyleImage]
    ) -> protocol.Message:
        """Have the server compile the objective, or find it, and set its targets."""
        description = {
            "recipe": _plain(recipe),
            "shares": [style.share for style in styles],
        }
        arrays: list[tuple[str, Image]] = [("content", content)]
        arrays += [(f"style{i}", style.image) for i, style in enumerate(styles)]
        pixels = sum(image[0].size for _, image in arrays)
        _, height, width = content.shape
        # The features of the content, then one evaluation, for whatever it takes to compile.
        seconds = self._patience.seconds(2 * pixels, None)
        return self._server.call(
            protocol.OBJECTIVE,
            description,
            arrays,
            seconds=seconds,
            doing=f"compiling {width}x{height} px",
        )

    def evaluate(self, kind: int, token: int, x: Image) -> protocol.Message:
        """Have the server evaluate the objective that `token` names. Raises ReplacedError."""
        arrays: NamedArrays = [("x", x)]
        _, height, width = x.shape
        pixels = height * width
        began = time.monotonic()
        reply = self._server.call(
            kind,
            {"token": token},
            arrays,
            seconds=self._patience.seconds(pixels, self._slowest),
            doing=f"evaluating {width}x{height} px",
        )
        took = (time.monotonic() - began) / pixels
        if kind == protocol.EVALUATE:
            self._slowest = max(took, self._slowest or 0.0)
        return reply

    def memory(self) -> None:
        """Return None: its server counts with the machine's memory."""

    def to_device(self, image: Image) -> Image:
        """Return a copy of `image`."""
        return np.array(image, dtype=np.float32)

    def to_host(self, x: Image) -> Image:
        """Return `x` as a float32 copy."""
        return np.array(x, dtype=np.float32)

    def compact(self, x: Image) -> Image:
        """Return `x`: NumPy has nothing shorter of the same range."""
        return x

    def expand(self, x: Image) -> Image:
        """Return `x`."""
        return x

    def read(self, scalars: Sequence[float]) -> list[float]:
        """Return the scalars, which are on the host already."""
        return [float(scalar) for scalar in scalars]

    def faults(self) -> AbstractContextManager[None]:
        """Return a context that does nothing: NumPy raises MemoryError, which needs no words."""
        return nullcontext()

    def close(self) -> None:
        """End the server."""
        self._server.close()


def open_cntk_engine(
    weights: Weights, folder: Path | None, threads: int | None = None, device: str = "auto"
) -> CntkEngine:
    """Start the engine from the folder that CNTK is installed in.

    `device` is the configuration's: `auto`, `cpu`, `cuda`, `cuda:N`. Raises JobFault if CNTK
    cannot be used there, NodeFault if it does not start.
    """
    installation = usable(folder)
    return CntkEngine(weights, installation, device_of(device, installation.gpu), threads=threads)


def device_of(configured: str, gpu_build: bool) -> str:
    """Return CNTK's name of the device for the configuration's; the CPU build has the CPU alone."""
    if configured == "cpu" or not gpu_build:
        return "cpu"
    return f"gpu({configured.partition(':')[2] or 0})"


def _machine_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _gpu(device: str) -> int | None:
    if device == "cpu":
        return None
    found = re.fullmatch(r"gpu\((\d+)\)", device)
    if not found:
        raise ConfigError(f"engine cntk: device {device!r}, expected cpu or gpu(N)")
    return int(found[1])


def _terms_of(reply: protocol.Message) -> Mapping[str, float]:
    return {name: float(reply.description[name]) for name in ("content", "style", "tv")}


def _plain(recipe: Recipe) -> dict[str, object]:
    return {
        "content": [[tap.name, tap.weight] for tap in recipe.content],
        "style": [[tap.name, tap.weight] for tap in recipe.style],
        "tv_weight": recipe.tv_weight,
        "centered": recipe.centered,
    }


def _least_side(recipe: Recipe) -> int:
    """Return the least side in pixels at which the deepest tap still has a pixel."""
    deepest = recipe.deepest
    if deepest == "image":
        return 2
    blocks = BLOCKS[recipe.network]
    if deepest == "pool5":
        return 1 << len(blocks)
    convolution = int(deepest.removeprefix("conv"))
    pools = next(i for i in range(len(blocks)) if convolution < sum(blocks[: i + 1]))
    return max(2, 1 << pools)
