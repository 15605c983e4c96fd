"""What an administrator does with a real daemon that runs: reload, look, back up."""

from __future__ import annotations

import signal
import tarfile
from collections.abc import Callable

import yaml
from tests.integration.daemon import Daemon, Share

JOB = "content: coffee.jpg\nstyle: astronaut.png\n"


def test_a_daemon_takes_up_its_changed_configuration_and_survives_a_broken_one(
    share: Share, started: Callable[..., Daemon]
) -> None:
    daemon = started(share)
    daemon.wait_for(lambda: daemon.logged("watching"))
    text = share.config.read_text()

    def reload(changed: str, words: str) -> None:
        share.config.write_text(changed)
        before = daemon.logged(words)
        daemon.send(signal.SIGHUP)
        daemon.wait_for(lambda: daemon.logged(words) > before)

    settings = yaml.safe_load(text)
    settings["work"]["threads"] = 3
    settings["max_renders"] = 1
    reload(yaml.safe_dump(settings), "the configuration was read again; changed: max_renders")
    # A line of its own, after the one that was waited for.
    words = "work.threads: changed in the configuration, too, but taken up only by a"
    daemon.wait_for(lambda: daemon.logged(words))
    share.drop("many.yaml", "content: [coffee.jpg, astronaut.png]\nstyle: astronaut.png\n")
    daemon.wait_for(lambda: share.finished("many"))
    assert "at most 1" in share.error("many") or "1 render" in share.error("many")
    reload("inbox: [", "the configuration was read again and is not used, for it is wrong")
    share.config.write_text(text)
    said = " ".join(share.command("status").split())
    assert "changed, but not used, for it is wrong" in said
    reload(text, "the configuration was read again;")
    assert "not used" not in share.command("status")
    # Nothing of this was in the way of work.
    share.drop("one.yaml", JOB)
    daemon.wait_for(lambda: share.finished("one"))
    assert daemon.stop() == 0


def test_a_backup_is_made_beside_a_daemon_that_works(
    share: Share, started: Callable[..., Daemon]
) -> None:
    daemon = started(share)
    share.drop("one.yaml", JOB)
    daemon.wait_for(lambda: share.finished("one"))
    folder = share.folder / "backups"
    folder.mkdir()
    (told,) = share.command("backup", "backups").splitlines()
    (file,) = folder.iterdir()
    assert told.endswith(file.name)
    with tarfile.open(file) as archive:
        names = archive.getnames()
    assert {"ledger.sqlite", "atelierd.yaml", "presets/default.yaml"} <= set(names)
    assert daemon.stop() == 0
