from pathlib import PurePosixPath

from atelierd.jobs.expand import expand
from atelierd.jobs.explain import MOST_LISTED, explain
from atelierd.jobs.paths import Root
from atelierd.jobs.presets import load_preset, shipped_config
from atelierd.jobs.reader import read_job
from atelierd.jobs.resolved import resolve

FOLDERS = [shipped_config() / "presets"]


def explained(root: Root, text: str, copies: int = 1) -> str:
    job = read_job(text.encode(), "a.yaml")
    preset = load_preset(job.preset or "default", FOLDERS)
    settings = resolve(job, preset, load_preset("default", FOLDERS))
    return explain(expand(job, settings, root, PurePosixPath()) * copies)


def test_a_job_is_explained_with_its_settings_and_each_render(root: Root) -> None:
    assert explained(
        root,
        "content: photos/?.jpg\nstyle: {art/starry.jpg: 3, art/wave.jpg: 1}\npreset: tutorial\n",
    ) == (
        "2 renders, preset tutorial\n"
        "  size     300 on the long side, cropped to the centered square\n"
        "  work     200 iterations of lbfgsb, scales 1, from content\n"
        "  weights  content 5, style 1, tv 1, decay 0.5\n"
        "  look     recipe novak-nikulin, colors the style's, style scale 1\n"
        "  engine   torch, vgg16, precision fp32, channels as-is\n"
        "  output   10 snapshots, jpeg 75, values truncated\n"
        "1. A-starry+wave: photos/A.JPG in the style of "
        "art/starry.jpg (75%) and art/wave.jpg (25%)\n"
        "2. b-starry+wave: photos/b.jpg in the style of "
        "art/starry.jpg (75%) and art/wave.jpg (25%)\n"
    )


def test_where_a_render_starts_is_explained(root: Root) -> None:
    text = "content: top.jpg\nstyle: art/wave.jpg\nsize: 64x48\n"
    assert "size     64x48\n" in explained(root, text)
    assert "from random (seed 7)" in explained(root, f"{text}init: random\nseed: 7\n")
    assert "art/wave.jpg, starting from photos/c.png\n" in explained(
        root, f"{text}init: photos/c.png\n"
    )


def test_looks_and_regions_are_explained(root: Root) -> None:
    text = explained(
        root,
        "content: top.jpg\nstyle: art/wave.jpg\nrecipe: gatys\ncolor: keep\nstyle_scale: 0.5\n"
        "masks: [{content: photos/c.png}, {content: photos/c.png, style: art/starry.jpg}]\n",
    )
    assert "look     recipe gatys, colors the content's, style scale 0.5\n" in text
    assert text.endswith(
        "   where photos/c.png is white, all of the style\n"
        "   where photos/c.png is white, the style where art/starry.jpg is\n"
    )


def test_a_long_job_is_cut_short(root: Root) -> None:
    text = explained(root, "content: top.jpg\nstyle: art/wave.jpg\n", copies=1_000 + MOST_LISTED)
    assert text.startswith(f"{1_000 + MOST_LISTED:,} renders")
    assert text.endswith("... and 1,000 more\n")
