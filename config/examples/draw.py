"""Draw the two example pictures: `python config/examples/draw.py`.

`skyline.jpg` is the content: a city on a bay at dusk, with things to recognize, depth, edges and
smooth gradients. `whirls.jpg` is the style: a painting of thick strokes that follow a whirling
flow. Both come out the same every time.
"""

from __future__ import annotations

from pathlib import Path

from drawing.skyline import skyline
from drawing.whirls import whirls


def main(folder: Path = Path(__file__).parent) -> None:
    """Write both pictures into `folder`."""
    for name, picture in [("skyline.jpg", skyline()), ("whirls.jpg", whirls())]:
        picture.save(folder / name, quality=92, subsampling="4:4:4")


if __name__ == "__main__":
    main()
