from pathlib import Path, PurePosixPath

import pytest

from atelierd.errors import JobFault
from atelierd.jobs.expand import RenderSpec, expand, inputs
from atelierd.jobs.opening import MissingError
from atelierd.jobs.paths import Root
from atelierd.jobs.presets import load_preset, shipped_config
from atelierd.jobs.reader import read_job
from atelierd.jobs.resolved import resolve

DEFAULT = load_preset("default", [shipped_config() / "presets"])


def renders(root: Root, text: str, folder: str = ".", most: int = 100) -> list[RenderSpec]:
    job = read_job(text.encode(), "a.yaml")
    return expand(job, resolve(job, DEFAULT, DEFAULT), root, PurePosixPath(folder), most)


def test_one_content_and_one_style_are_one_render(root: Root) -> None:
    (render,) = renders(root, "content: top.jpg\nstyle: art/starry.jpg\nsize: 99")
    assert render.index == 0
    assert render.title == "top-starry"
    assert render.content == "top.jpg"
    assert render.styles == (("art/starry.jpg", 1.0),)
    assert render.init_file is None
    assert render.settings.size == 99


def test_every_content_meets_every_style_in_the_order_of_the_file(root: Root) -> None:
    found = renders(root, "content: [top.jpg, photos/*.jpg]\nstyle: [art/wave.jpg, art/starry.jpg]")
    assert [(render.content, render.styles[0][0]) for render in found] == [
        (content, style)
        for content in ("top.jpg", "photos/A.JPG", "photos/b.jpg")
        for style in ("art/wave.jpg", "art/starry.jpg")
    ]
    assert [render.index for render in found] == list(range(6))


def test_a_blend_is_one_render_with_shares_that_add_up_to_one(root: Root) -> None:
    (render,) = renders(root, "content: top.jpg\nstyle: {art/starry.jpg: 3, ART/WAVE.jpg: 1}")
    assert render.styles == (("art/starry.jpg", 0.75), ("art/wave.jpg", 0.25))
    assert render.title == "top-starry+wave"


def test_one_file_under_two_names_in_a_blend_counts_with_both_weights(root: Root) -> None:
    (render,) = renders(
        root, "content: top.jpg\nstyle: {art/wave.jpg: 1, ./ART/WAVE.jpg: 2, art/starry.jpg: 1}"
    )
    assert render.styles == (("art/wave.jpg", 0.75), ("art/starry.jpg", 0.25))


def test_styles_may_be_a_list_of_files_patterns_and_blends(root: Root) -> None:
    found = renders(
        root, "content: top.jpg\nstyle:\n  - art/*.jpg\n  - {art/starry.jpg: 1, art/wave.jpg: 1}"
    )
    assert [render.title for render in found] == ["top-starry", "top-wave", "top-starry+wave"]


def test_a_file_that_is_listed_and_matched_counts_once(root: Root) -> None:
    found = renders(root, "content: [photos/b.jpg, photos/*.jpg, PHOTOS/B.jpg]\nstyle: top.jpg")
    assert [render.content for render in found] == ["photos/b.jpg", "photos/A.JPG"]


def test_titles_are_unique_where_files_of_two_folders_have_one_name(root: Root) -> None:
    found = renders(root, "content: top.jpg\nstyle: [art/starry.jpg, sub/art/starry.jpg]")
    assert [render.title for render in found] == ["top-starry", "top-starry-2"]


def test_paths_are_relative_to_the_inbox_wherever_the_job_file_lies(root: Root) -> None:
    (render,) = renders(root, "content: top.jpg\nstyle: art\\starry.jpg", folder="sub")
    assert (render.content, render.styles[0][0]) == ("top.jpg", "sub/art/starry.jpg")


def test_a_file_of_a_patterns_very_name_goes_before_what_it_matches(
    inbox: Path, root: Root
) -> None:
    (inbox / "cat [1].jpg").write_text("x")
    (inbox / "cat 1.jpg").write_text("x")
    (render,) = renders(root, "content: cat [1].jpg\nstyle: top.jpg")
    assert render.content == "cat [1].jpg"


def test_a_picture_to_start_from_is_an_input_too(root: Root) -> None:
    found = renders(root, "content: photos/*.jpg\nstyle: art/wave.jpg\ninit: photos/c.png")
    assert {render.init_file for render in found} == {"photos/c.png"}
    assert inputs(found) == ["photos/A.JPG", "art/wave.jpg", "photos/c.png", "photos/b.jpg"]


def test_all_that_is_missing_is_waited_for_at_once(root: Root) -> None:
    with pytest.raises(MissingError) as caught:
        renders(
            root,
            "content: [gone.jpg, top.jpg, gone/*.jpg]\n"
            "style: {art/wave.jpg: 1, art/gone.jpg: 1}\ninit: start.jpg",
        )
    assert caught.value.missing == ("gone.jpg", "gone/*.jpg", "art/gone.jpg", "start.jpg")


def test_what_is_refused_is_told_at_once_and_before_what_is_missing(
    inbox: Path, root: Root
) -> None:
    (inbox / "link.jpg").symlink_to("top.jpg")
    with pytest.raises(JobFault) as caught:
        renders(root, "content: [link.jpg, gone.jpg]\nstyle: photos")
    content, style = str(caught.value).splitlines()
    assert content.startswith("content > item 1: link.jpg is a symbolic link")
    assert style == "style: photos is a folder; expected a file"


def test_too_many_renders_are_refused_with_their_number(root: Root) -> None:
    with pytest.raises(JobFault, match="found 3 x 2 = 6 renders; expected at most 5; split the"):
        renders(root, "content: [top.jpg, photos/*.jpg]\nstyle: art/*.jpg", most=5)


def test_masks_are_inputs_of_every_render(root: Root) -> None:
    found = renders(
        root,
        "content: photos/?.jpg\nstyle: art/wave.jpg\nmasks:\n"
        "  - {content: photos/c.png, style: ART/starry.jpg}\n  - content: top.jpg",
    )
    masks = (("photos/c.png", "art/starry.jpg"), ("top.jpg", None))
    assert [render.masks for render in found] == [masks, masks]
    assert inputs(found) == [
        *("photos/A.JPG", "art/wave.jpg", "photos/c.png", "art/starry.jpg", "top.jpg"),
        "photos/b.jpg",
    ]


def test_missing_masks_are_waited_for_and_patterns_among_them_mean_nothing(root: Root) -> None:
    with pytest.raises(MissingError) as caught:
        renders(
            root,
            "content: top.jpg\nstyle: art/wave.jpg\n"
            "masks: {content: photos/*.png, style: gone.png}",
        )
    assert caught.value.missing == ("photos/*.png", "gone.png")
