"""The recipes' pictures were rendered from the job files that are shown beside them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from PIL import Image

from atelierd.images import read_metadata
from atelierd.jobs.reader import read_job

DOCS = Path(__file__).parents[2] / "docs"
RECIPES = sorted((DOCS / "recipes").glob("*.yaml"))


def shown() -> dict[str, str]:
    """Return the job files on the page by their names."""
    page = (DOCS / "recipes.md").read_text(encoding="utf-8")
    return dict(re.findall(r"```yaml\n# (\w+)\n(.*?)```", page, re.DOTALL))


def test_every_recipe_is_shown_as_it_was_rendered() -> None:
    assert shown() == {path.stem: path.read_text(encoding="utf-8") for path in RECIPES}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_picture_says_itself_that_it_comes_from_its_recipe(path: Path) -> None:
    job = read_job(path.read_bytes(), path.name)
    picture = path.with_suffix(".jpg")
    settings = yaml.safe_load(read_metadata(picture)["Settings"])
    wanted = job.model_dump(exclude_none=True)
    for key in ("content_weight", "tv_weight", "decay", "init", "iterations"):
        if key in wanted:
            assert settings[key] == wanted[key], key
    with Image.open(picture) as opened:
        assert max(opened.size) == wanted.get("size", 256)


def test_all_pictures_together_are_small() -> None:
    assert sum(path.stat().st_size for path in DOCS.rglob("*.jpg")) < 1_000_000
