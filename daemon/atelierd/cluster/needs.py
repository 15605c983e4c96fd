"""What renders need of a worker, found out from their frozen pictures and kept."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from atelierd.cluster.capability import Capability
from atelierd.dispatch.assigning import Means, Need, suits
from atelierd.errors import AtelierError
from atelierd.images import ACCEPTED_LIMITS, probe
from atelierd.images.geometry import fit_size
from atelierd.jobs.frozen import FrozenRender, input_path
from atelierd.render.chosen import begun_precision

#: Renders whose needs are kept in memory.
MOST_KEPT = 2_000


class Needs:
    """Answers who can do what. Used by the dispatcher alone."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._kept: dict[str, Need | None] = {}

    def can_do(
        self, capability: Capability, spec: str, work: Path, others: Iterable[Capability]
    ) -> bool:
        """Whether a worker can do the FrozenRender `spec` (JSON) whose work folder is `work`.

        A render whose pictures cannot be looked at anybody can do: whoever does will say why not.
        """
        need = self._need(spec)
        if need is None:
            return True
        means = (means_of(other) for other in others)
        return suits(means_of(capability), need, begun_precision(work), means)

    def _need(self, spec: str) -> Need | None:
        if spec not in self._kept:
            while len(self._kept) >= MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[spec] = self._found(spec)
        return self._kept[spec]

    def _found(self, spec: str) -> Need | None:
        try:
            frozen = FrozenRender.model_validate_json(spec)
            infos = [
                probe(input_path(self._state, image.sha256), image.path, ACCEPTED_LIMITS)
                for image in frozen.images
            ]
        except (AtelierError, OSError, ValueError):
            return None
        content, settings = infos[0], frozen.settings
        return Need(
            settings=settings,
            size=fit_size(content.width, content.height, settings.size, settings.crop),
            styles=len(frozen.styles),
            picture_bytes=sum(3 * info.width * info.height for info in infos),
        )


def means_of(capability: Capability) -> Means:
    """Return what a worker has told of itself as dispatch asks for it."""
    return Means(capability.memory, capability.precision, capability.engines, capability.figures)
