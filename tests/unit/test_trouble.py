from pathlib import Path

from atelierd.trouble import TroubleFile, read_trouble


def test_what_is_said_is_what_is_read(tmp_path: Path) -> None:
    file = TroubleFile(tmp_path)
    file.say(["the disk is full", "the share is öffline"])
    assert read_trouble(tmp_path) == ["the disk is full", "the share is öffline"]
    file.say([])
    assert read_trouble(tmp_path) == []


def test_the_file_keeps_its_size_so_that_a_full_disk_has_room_for_it(tmp_path: Path) -> None:
    file = TroubleFile(tmp_path)
    file.say([])
    (path,) = tmp_path.iterdir()
    size, inode = path.stat().st_size, path.stat().st_ino
    file.say([f"{number}: " + "ö" * 1000 for number in range(100)])
    assert (path.stat().st_size, path.stat().st_ino) == (size, inode)
    assert read_trouble(tmp_path)[0].startswith("0: öö")


def test_nothing_is_read_where_nothing_or_nonsense_lies(tmp_path: Path) -> None:
    assert read_trouble(tmp_path) == []
    (tmp_path / "trouble.json").write_bytes(b"\xff{")
    assert read_trouble(tmp_path) == []
    (tmp_path / "trouble.json").write_text('{"a": 1}')
    assert read_trouble(tmp_path) == []


def test_a_state_folder_that_is_gone_adds_no_trouble(tmp_path: Path) -> None:
    TroubleFile(tmp_path / "gone").say(["the disk is gone"])
