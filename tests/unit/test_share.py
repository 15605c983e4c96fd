import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from atelierd.errors import ConfigError, WorldFault
from atelierd.share import MARKER_NAME, Role, check_free_space, check_share, init_share


def test_init_makes_inbox_and_outbox_that_pass_the_check(tmp_path: Path) -> None:
    share_id = init_share(tmp_path)
    assert check_share(tmp_path / "inbox", Role.INBOX, share_id).role is Role.INBOX
    assert check_share(tmp_path / "outbox", Role.OUTBOX, share_id).role is Role.OUTBOX


def test_init_run_again_changes_nothing(tmp_path: Path) -> None:
    share_id = init_share(tmp_path)
    before = (tmp_path / "inbox" / MARKER_NAME).stat()
    assert init_share(tmp_path) == share_id
    assert (tmp_path / "inbox" / MARKER_NAME).stat() == before


def test_init_gives_a_lost_outbox_the_id_of_its_inbox(tmp_path: Path) -> None:
    share_id = init_share(tmp_path)
    shutil.rmtree(tmp_path / "outbox")
    assert init_share(tmp_path) == share_id
    check_share(tmp_path / "outbox", Role.OUTBOX, share_id)


def test_two_shares_have_two_ids(tmp_path: Path) -> None:
    assert init_share(tmp_path / "a") != init_share(tmp_path / "b")


def test_init_refuses_a_folder_with_the_other_role(tmp_path: Path) -> None:
    init_share(tmp_path / "a")
    (tmp_path / "b").mkdir()
    shutil.copytree(tmp_path / "a" / "outbox", tmp_path / "b" / "inbox")
    with pytest.raises(ConfigError, match="marks this folder as an outbox, but its name is inbox"):
        init_share(tmp_path / "b")


def test_init_refuses_an_outbox_that_was_copied_from_another_share(tmp_path: Path) -> None:
    init_share(tmp_path / "a")
    init_share(tmp_path / "b")
    shutil.rmtree(tmp_path / "b" / "outbox")
    shutil.copytree(tmp_path / "a" / "outbox", tmp_path / "b" / "outbox")
    with pytest.raises(ConfigError, match="two different shares"):
        init_share(tmp_path / "b")


def test_init_refuses_a_marker_that_is_somebody_elses_file(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / MARKER_NAME).write_text("mine")
    with pytest.raises(ConfigError, match="not a marker of atelierd's"):
        init_share(tmp_path)


def test_rule_11_an_empty_mount_point_is_a_share_that_is_offline(tmp_path: Path) -> None:
    init_share(tmp_path)
    (tmp_path / "inbox" / MARKER_NAME).unlink()
    with pytest.raises(WorldFault, match=r"its marker .* is gone: is the share mounted\?"):
        check_share(tmp_path / "inbox", Role.INBOX)


def test_rule_11_a_folder_that_does_not_exist_is_a_share_that_is_offline(tmp_path: Path) -> None:
    with pytest.raises(WorldFault, match="is not there"):
        check_share(tmp_path / "nowhere" / "inbox", Role.INBOX)
    (tmp_path / "file").write_text("")
    with pytest.raises(WorldFault, match="is not there"):
        check_share(tmp_path / "file", Role.INBOX)


def test_rule_11_another_share_in_the_same_place_is_not_the_real_mount(tmp_path: Path) -> None:
    init_share(tmp_path)
    with pytest.raises(WorldFault, match="is the inbox of another share"):
        check_share(tmp_path / "inbox", Role.INBOX, "0" * 32)


def test_an_outbox_that_is_given_as_the_inbox_is_named_as_such(tmp_path: Path) -> None:
    init_share(tmp_path)
    with pytest.raises(WorldFault, match="marked as an outbox, expected the inbox"):
        check_share(tmp_path / "outbox", Role.INBOX)


@pytest.mark.parametrize("text", ["", "{}", json.dumps({"share": "x", "role": "attic"})])
def test_a_damaged_marker_is_a_fault_of_the_world(tmp_path: Path, text: str) -> None:
    init_share(tmp_path)
    (tmp_path / "inbox" / MARKER_NAME).write_text(text)
    with pytest.raises(WorldFault, match="cannot be read as the marker"):
        check_share(tmp_path / "inbox", Role.INBOX)


def test_a_marker_that_is_a_pipe_blocks_nothing(tmp_path: Path) -> None:
    init_share(tmp_path)
    (tmp_path / "inbox" / MARKER_NAME).unlink()
    os.mkfifo(tmp_path / "inbox" / MARKER_NAME)
    with pytest.raises(WorldFault):
        check_share(tmp_path / "inbox", Role.INBOX)


def test_rule_06_a_stale_handle_is_a_fault_of_the_world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stale(*_: object) -> int:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    init_share(tmp_path)
    monkeypatch.setattr(os, "open", stale)
    with pytest.raises(WorldFault, match="the share is not connected"):
        check_share(tmp_path / "inbox", Role.INBOX)


def test_rule_12_too_little_free_space_is_told_with_both_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=100 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    check_free_space(tmp_path, 100 << 20)
    with pytest.raises(WorldFault, match=r"100 MiB are free .* at least 2,048 MiB are kept free"):
        check_free_space(tmp_path, 2 << 30)


def test_rule_12_a_disk_that_is_not_there_has_no_free_space(tmp_path: Path) -> None:
    with pytest.raises(WorldFault, match="is not there"):
        check_free_space(tmp_path / "nowhere", 1)
