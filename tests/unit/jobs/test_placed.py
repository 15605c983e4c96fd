from atelierd.errors import JobFault
from atelierd.jobs.placed import PlacedFault, told

FILE = b"content: [a.jpg, b.jpg]\nstyle:\n  - c.jpg\n  - {d.jpg: 1}\n"


def test_a_fault_at_a_key_is_told_with_its_line_and_place() -> None:
    fault = PlacedFault({("content", 1): "is a folder", ("style", 1, "d.jpg"): "is a link"})
    assert str(fault) == "content > item 2: is a folder\nstyle > item 2 > d.jpg: is a link"
    assert told(fault, FILE, "a.yaml").splitlines() == [
        "a.yaml: line 1, content > item 2: is a folder",
        "a.yaml: line 4, style > item 2 > d.jpg: is a link",
    ]


def test_a_fault_without_a_place_is_told_with_the_files_name_on_each_line() -> None:
    assert told(JobFault("too big\ntoo many"), FILE, "a.yaml") == (
        "a.yaml: too big\na.yaml: too many"
    )


def test_of_thousands_of_problems_the_first_are_told_and_the_others_counted() -> None:
    lines = str(PlacedFault({("content", i): "is a link" for i in range(1020)})).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "and 1,000 more problems"
