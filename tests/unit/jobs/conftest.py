from pathlib import Path

import pytest
from hypothesis import settings

from atelierd.jobs.paths import Root

# `--hypothesis-profile=long` is for a night's fuzzing.
settings.register_profile("unit", max_examples=150, deadline=None)
settings.register_profile("long", max_examples=20_000, deadline=None)
if settings.get_current_profile_name() == "default":
    settings.load_profile("unit")


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """An inbox with pictures (their content does not matter here) and a secret beside it."""
    (tmp_path / "secret.jpg").write_text("secret")
    folder = tmp_path / "inbox"
    for name in (
        *("photos/b.jpg", "photos/A.JPG", "photos/c.png", "photos/2024/d.jpg"),
        *("art/starry.jpg", "art/wave.jpg", "sub/art/starry.jpg", "top.jpg"),
    ):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return folder


@pytest.fixture
def root(inbox: Path) -> Root:
    return Root(inbox)
