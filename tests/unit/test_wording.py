from atelierd.wording import LONGEST_PATH_SHOWN, shown, shown_path


def test_ordinary_names_in_any_script_are_shown_as_they_are() -> None:
    assert shown("Straße/夜 + été (1).jpg") == "Straße/夜 + été (1).jpg"


def test_what_could_forge_a_line_or_steer_a_terminal_is_escaped() -> None:
    assert shown("a\nb\x1b[2J\u202egpj\u2028\udcff") == ("a\\nb\\x1b[2J\\u202egpj\\u2028\\udcff")


def test_long_text_is_cut_short() -> None:
    assert shown("x" * 1000, 10) == "x" * 9 + "…"


def test_of_a_long_path_the_end_is_shown() -> None:
    path = "/srv/" + "x" * 90 + "/atelierd.yaml"
    assert shown_path(path) == path
    cut = shown_path("/srv/" + "x" * 1000 + "\n/atelierd.yaml")
    assert cut.startswith("…") and cut.endswith("x\\n/atelierd.yaml")
    assert len(cut) == LONGEST_PATH_SHOWN + 1, "an escape counts as what it stands for"
