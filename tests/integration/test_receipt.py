"""A job run again from the receipt that lies in its folder."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.integration.daemon import Daemon, Share

from atelierd.images import read_metadata

JOBS = {
    "plain": "content: coffee.jpg\nstyle: astronaut.png\nprecision: auto\n",
    "blend": "content: coffee.jpg\nstyle: {coffee.jpg: 2, astronaut.png: 7}\nsize: 72x64\n"
    "init: random\nseed: 5\noutput: {format: jpeg, quality: 80}\niterations: 4\n",
    "matrix": "content: ['*.jpg', '*.png']\nstyle: astronaut.png\nscales: 2\noutput: "
    "{format: webp, quality: 100}\n",
}


@pytest.mark.parametrize("name", JOBS)
def test_a_receipt_dropped_into_the_inbox_gives_the_same_files(
    share: Share, started: Callable[..., Daemon], name: str
) -> None:
    share.drop("first.yaml", JOBS[name])
    assert started(share, "--drain").wait() == 0
    receipt = (share.outbox / "first" / "job.yaml").read_bytes()
    share.drop("again.yaml", receipt)
    assert started(share, "--drain").wait() == 0
    # The receipt names the job as the first one was, so its folder gets a number.
    assert share.job("first-2")["state"] == "done"
    pictures = share.pictures_of("first")
    assert list(pictures) == list(share.pictures_of("first-2"))
    for picture in pictures:
        first, again = (share.outbox / folder / picture for folder in ("first", "first-2"))
        assert first.read_bytes() == again.read_bytes()
    assert (share.outbox / "first" / "job.original.yaml").read_text() == JOBS[name]
    precision = share.receipts("first")[0]["settings"]["precision"]
    assert precision in ("fp32", "bf16")
    assert f'"precision":"{precision}"' in read_metadata(first)["Settings"]
    assert f"precision: {precision}\n".encode() in receipt
