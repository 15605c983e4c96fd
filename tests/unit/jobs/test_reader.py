import codecs

import pytest

from atelierd.errors import JobFault
from atelierd.jobs.reader import read_job
from atelierd.jobs.schema import JobFile, Output, Region


def job(text: str) -> JobFile:
    return read_job(text.encode(), "night.yaml")


def refusal(text: str) -> list[str]:
    with pytest.raises(JobFault) as caught:
        job(text)
    return [line.removeprefix("night.yaml: ") for line in str(caught.value).splitlines()]


def refused(line: str) -> str:
    """Return what is said of a job file whose third line is `line`."""
    (found,) = refusal(f"content: a.jpg\nstyle: b.jpg\n{line}\n")
    return found.removeprefix("line 3, ")


def test_the_least_job_has_two_lines() -> None:
    assert job("content: a.jpg\nstyle: b.jpg\n") == JobFile(content="a.jpg", style="b.jpg")


def test_a_job_may_say_everything() -> None:
    assert job(
        """
        content: [photos/*.jpg, top.jpg]
        style:
          - starry.jpg
          - {starry.jpg: 2, wave.jpg: 0.5}
        preset: print
        name: Nacht 1
        priority: -5
        size: 1024 x 768
        iterations: 300
        snapshots: 3
        content_weight: 0
        style_weight: 1e3
        tv_weight: 0.5
        decay: 0.25
        recipe: gatys
        color: keep
        style_scale: 0.5
        init: photos/start.png
        seed: 7
        engine: cntk
        network: vgg19
        minimizer: adam
        precision: bf16
        scales: 3
        crop: square
        channel_order: as-is
        rounding: truncate
        output: {format: webp, quality: 80}
        masks:
          - {content: sky.png, style: clouds.png}
          - content: sea.png
        """
    ) == JobFile(
        content=["photos/*.jpg", "top.jpg"],
        style=["starry.jpg", {"starry.jpg": 2, "wave.jpg": 0.5}],
        preset="print",
        name="Nacht 1",
        priority=-5,
        size=(1024, 768),
        iterations=300,
        snapshots=3,
        content_weight=0,
        style_weight=1000,
        tv_weight=0.5,
        decay=0.25,
        recipe="gatys",
        color="keep",
        style_scale=0.5,
        init="photos/start.png",
        seed=7,
        engine="cntk",
        network="vgg19",
        minimizer="adam",
        precision="bf16",
        scales=3,
        crop="square",
        channel_order="as-is",
        rounding="truncate",
        output=Output(format="webp", quality=80),
        masks=[Region(content="sky.png", style="clouds.png"), Region(content="sea.png")],
    )


def test_a_bare_mapping_is_one_region() -> None:
    assert job("content: a\nstyle: b\nmasks: {content: m.png}").masks == Region(content="m.png")


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        ("m.png", "masks: found 'm.png'; expected the keys content and style, or a list of these"),
        ("{style: m.png}", "masks > content: missing; expected a path"),
        ("[{content: m.png, stile: n.png}]", "unknown key; did you mean style?"),
        ("[{content: ../m.png}]", "masks > item 1 > content: "),
        ("[]", "masks: found a list of 0; expected at least 1"),
    ],
)
def test_what_is_wrong_with_masks_is_said_where_it_is(masks: str, words: str) -> None:
    with pytest.raises(JobFault) as caught:
        job(f"content: a\nstyle: b\nmasks: {masks}")
    assert words in str(caught.value)


def test_a_bare_mapping_is_one_blend() -> None:
    assert job("content: a\nstyle:\n  x.jpg: 1\n  y.jpg: 3\n").style == {"x.jpg": 1, "y.jpg": 3}


@pytest.mark.parametrize("size", ["512", "original", "640x480", "640X480", "640 × 480"])  # noqa: RUF001
def test_every_way_to_write_a_size_is_read(size: str) -> None:
    expected = {"512": 512, "original": "original"}.get(size, (640, 480))
    assert job(f"content: a\nstyle: b\nsize: {size}").size == expected


@pytest.mark.parametrize(
    "data",
    [
        codecs.BOM_UTF8 + "content: Grün\\a.jpg\r\nstyle: b.jpg\r\n".encode(),
        codecs.BOM_UTF16_LE + "content: Grün\\a.jpg\r\nstyle: b.jpg\r\n".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "content: Grün\\a.jpg\nstyle: b.jpg".encode("utf-16-be"),
    ],
)
def test_what_windows_editors_write_is_read(data: bytes) -> None:
    assert read_job(data, "a.yaml") == JobFile(content="Grün\\a.jpg", style="b.jpg")


def test_a_style_named_no_is_a_style() -> None:
    assert job("content: yes\nstyle: no") == JobFile(content="yes", style="no")


def test_every_problem_is_named_with_line_key_and_what_is_allowed() -> None:
    assert refusal(
        "content: a.jpg\nstyle: b.jpg\nstyle_wieght: 5\nsize: -5\noutput:\n  format: jpg\n"
    ) == [
        "line 3, style_wieght: unknown key; did you mean style_weight?",
        "line 4, size: found -5; expected a whole number from 32 to 32,768, "
        "or WIDTHxHEIGHT with sides of 32 to 32768, or original",
        "line 6, output > format: found 'jpg'; expected png, jpeg, tiff or webp; "
        "did you mean jpeg?",
    ]


@pytest.mark.parametrize(
    "value",
    ["0", "31", "32769", "-512", "1.5", "true", "[1, 2]", "16x99999", "big", "1e3", ".nan", "1x"],
)
def test_a_size_that_cannot_be_is_refused(value: str) -> None:
    assert refused(f"size: {value}").startswith("size: found ")


@pytest.mark.parametrize("key", ["content_weight", "style_weight", "tv_weight"])
@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf", "-1", "1e99", "1e999", "true", "much"])
def test_a_weight_that_cannot_be_is_refused(key: str, value: str) -> None:
    words = refused(f"{key}: {value}")
    assert words.startswith(f"{key}: found ")
    assert words.endswith("; expected a number from 0 to 1,000,000,000")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("iterations: 0", "a whole number from 1 to 100,000"),
        ("iterations: 1e6", "a whole number from 1 to 100,000"),
        ("iterations: true", "a whole number from 1 to 100,000"),
        ("snapshots: 1001", "a whole number from 1 to 1,000"),
        ("decay: 0", "a number above 0 and at most 1"),
        ("decay: .nan", "a number above 0 and at most 1"),
        ("seed: -1", "a whole number from 0 to 4,294,967,295"),
        ("seed: 99999999999999999999999", "a whole number from 0 to 4,294,967,295"),
        ("priority: 101", "a whole number from -100 to 100"),
        ("priority: 0.5", "a whole number from -100 to 100"),
        ("engine: Torch", "torch or cntk; did you mean torch?"),
        ("minimizer: sgd", "lbfgs, lbfgsb or adam"),
        ("scales: 9", "a whole number from 1 to 8, or auto"),
        ("preset: ../default", "a preset's name"),
        ("name: 2024", "text of at most 100 characters; put it in quotes"),
        (f"name: {'x' * 101}", "text of at most 100 characters"),
        ("seed: '7'", "a whole number from 0 to 4,294,967,295; take the quotes away"),
        ("output: png", "the keys format and quality"),
        ("output: {quality: 101}", "a whole number from 1 to 100"),
    ],
)
def test_a_value_that_cannot_be_is_answered_with_what_can(line: str, expected: str) -> None:
    assert refused(line).endswith(f"; expected {expected}")


@pytest.mark.parametrize("key", sorted(JobFile.model_fields.keys() - {"content", "style"}))
def test_a_key_without_a_value_is_refused(key: str) -> None:
    assert refused(f"{key}:") == f"{key}: the value is missing"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("/etc/passwd", "is an absolute path"),
        ("\u201ca.png\u201d", "has typographic quotes around it"),
        ("\u00aba.png\u00bb", "write straight ones, or none"),
        ("../../b.jpg", "climbs out with .."),
        ("C:\\b.jpg", "has a drive letter"),
        ("\\\\server\\b.jpg", "is a network path"),
        ('"photos\\new.jpg"', "contains a control character"),
        ("[a.jpg, {../b.jpg: 1}]", "climbs out with .."),
    ],
)
def test_a_path_that_cannot_be_meant_is_refused_with_its_line(value: str, words: str) -> None:
    for key in ("content", "style", "init"):
        if value.startswith("[") and key != "style":
            continue
        lines = {"content": "a.jpg", "style": "b.jpg", key: value}
        (found,) = refusal("".join(f"{k}: {v}\n" for k, v in lines.items()))
        assert found.startswith(f"line {list(lines).index(key) + 1}, {key}")
        assert words in found


@pytest.mark.parametrize(
    "style", ["{a.jpg: 0}", "{a.jpg: -1}", "{a.jpg: .nan}", "{a.jpg:2}", "{a.jpg: true}"]
)
def test_a_blend_needs_weights_above_zero(style: str) -> None:
    (found,) = refusal(f"content: a.jpg\nstyle: {style}")
    assert found.startswith("line 2, style > a.jpg")


@pytest.mark.parametrize("style", ["[]", "{}", "3", "[3]", "[[a.jpg]]", "{a.jpg: {b.jpg: 1}}"])
def test_a_style_of_the_wrong_kind_is_refused(style: str) -> None:
    (found,) = refusal(f"content: a.jpg\nstyle: {style}")
    assert found.startswith("line 2, style")


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 100, bytes(range(256)), b"x: " * 20_000_000, b"[" * 9_000, b"a: &a [*a]", b"- 1"],
)
def test_whatever_the_bytes_are_the_answer_is_a_job_fault_with_the_name(data: bytes) -> None:
    with pytest.raises(JobFault, match=r"^night\.yaml: "):
        read_job(data, "night.yaml")
