from __future__ import annotations

import errno
from pathlib import Path

import pytest

from atelierd.errors import WorldFault
from atelierd.worldfaults import as_world_fault, is_world_fault


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "no space is left there"),
        (errno.EDQUOT, "the quota is used up"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "reports an error"),
        (errno.ESTALE, "mount it again"),
        (errno.ENOTCONN, "mount it again"),
        (errno.EACCES, "access is denied"),
        (errno.ETIMEDOUT, "does not answer"),
    ],
)
def test_a_fault_of_the_share_or_disk_says_where_and_what_to_do(number: int, words: str) -> None:
    with (
        pytest.raises(WorldFault, match=f"^/mnt/share/outbox: .*{words}") as raised,
        as_world_fault(Path("/mnt/share/outbox")),
    ):
        raise OSError(number, "what the system says")
    assert isinstance(raised.value.__cause__, OSError)


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENAMETOOLONG, errno.EISDIR, None])
def test_what_is_not_the_shares_doing_passes_unchanged(number: int | None) -> None:
    error = OSError("bare") if number is None else OSError(number, "as it was")
    assert not is_world_fault(error)
    with pytest.raises(OSError) as raised, as_world_fault("x"):
        raise error
    assert raised.value is error
