"""Decoding the pictures of the render that is likely to follow, while the present one runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from atelierd.images import probe
from atelierd.jobs.frozen import FrozenImage, FrozenRender
from atelierd.render.scene import Scene

#: Pixels of all pictures together that are decoded ahead: beside a render that fills the memory,
#: larger ones had better wait for their turn.
MOST_PIXELS = 24_000_000

OpenInput = Callable[[FrozenImage], Path]


class Ahead:
    """At most one scene on its way; one that nobody takes is dropped."""

    def __init__(self) -> None:
        self._spec = ""
        self._scene: Scene | None = None
        self._thread: threading.Thread | None = None

    def begin(self, spec: str, open_input: OpenInput) -> None:
        """Decode the pictures of the FrozenRender `spec` (JSON), unless that is under way."""
        if spec == self._spec:
            return
        self.close()
        self._spec = spec
        self._thread = threading.Thread(
            target=self._decode, args=(spec, open_input), name="ahead", daemon=True
        )
        self._thread.start()

    def take(self, spec: str) -> Scene | None:
        """Return the scene of `spec`, waiting for it; None if it was not begun or has failed.

        Whoever gets None decodes it again, and so meets what it failed of.
        """
        scene = None
        if spec == self._spec and self._thread is not None:
            self._thread.join()
            scene = self._scene
        self.close()
        return scene

    def close(self) -> None:
        """Drop what was not taken."""
        if self._thread is not None:
            self._thread.join()
        self._spec, self._scene, self._thread = "", None, None

    def _decode(self, spec: str, open_input: OpenInput) -> None:
        try:
            frozen = FrozenRender.model_validate_json(spec)
            infos = [probe(open_input(image), image.path) for image in frozen.images]
            if sum(info.width * info.height for info in infos) <= MOST_PIXELS:
                self._scene = Scene(frozen, open_input)
        except Exception:  # noqa: BLE001 - met again, and told, by whoever decodes it in its turn
            self._scene = None
