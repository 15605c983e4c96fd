"""The whole of it, from the ledger to servers on this machine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.notify.servers import MailServer, WebhookServer

from atelierd.errors import ConfigError, WorldFault
from atelierd.ledger.notices import NoticeBox
from atelierd.notify import courier
from atelierd.notify import post as module
from atelierd.notify.post import PostOffice
from atelierd.notifysettings import NotifySettings

Refuse = Callable[..., None]


def office(hook: WebhookServer | None = None, post: MailServer | None = None) -> PostOffice:
    settings: dict[str, Any] = {}
    if hook is not None:
        settings["webhooks"] = [{"url": hook.url}]
    if post is not None:
        settings["email"] = {
            "server": "127.0.0.1",
            "port": post.port,
            "encryption": "none",
            "sender": "atelierd@example.org",
            "to": ["anna@example.org"],
        }
    return PostOffice(NotifySettings.model_validate(settings))


def names(hook: WebhookServer) -> list[str]:
    return [json.loads(call.body)["job"] for call in hook.calls]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "FIRST_PAUSE", courier.FIRST_PAUSE / 500)


def test_everybody_is_told(
    hook: WebhookServer, post: MailServer, path: Path, refuse: Refuse
) -> None:
    one = office(hook, post)
    one.start(path)
    refuse("bad")
    assert hook.waited_for() and post.waited_for()
    one.stop(drained=False)
    assert names(hook) == ["bad"]
    assert b"bad has failed: its job file was refused" in post.letters[0].data


def test_a_receiver_that_fails_at_first_has_everything_in_the_end(
    hook: WebhookServer, path: Path, refuse: Refuse
) -> None:
    hook.script.extend([500, "cut", 503])
    one = office(hook)
    one.start(path)
    for name in ("a", "b"):
        refuse(name)
    assert hook.waited_for(5)
    one.stop(drained=False)
    assert names(hook) == ["a", "a", "a", "a", "b"]
    assert len({call.headers["X-Atelierd-Id"] for call in hook.calls}) == 2


def test_one_that_hangs_keeps_neither_the_others_nor_the_end(
    hook: WebhookServer,
    post: MailServer,
    path: Path,
    refuse: Refuse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "STOP_PATIENCE", module.STOP_PATIENCE / 30)
    hook.script.append("hang")
    one = office(hook, post)
    one.start(path)
    refuse("a")
    refuse("b")
    assert hook.waited_for() and post.waited_for(2)
    one.stop(drained=False)
    assert names(hook) == ["a"]


def test_what_was_not_told_is_told_after_the_next_start(
    hook: WebhookServer, path: Path, refuse: Refuse
) -> None:
    hook.script.extend([503] * 3)
    one = office(hook)
    one.start(path)
    refuse("a")
    assert hook.waited_for()
    one.stop(drained=False)
    hook.script.clear()
    other = office(hook)
    other.start(path)
    other.stop(drained=True)
    third = office(hook)
    third.start(path)
    third.stop(drained=True)
    told = [call for call in hook.calls if json.loads(call.body)["job"] == "a"]
    assert told[-1].headers["X-Atelierd-Id"] == told[0].headers["X-Atelierd-Id"]
    count = len(told)
    assert names(hook) == ["a"] * count and count <= 4


def test_the_end_of_a_drain_tells_everything_and_that_the_queue_is_empty(
    hook: WebhookServer, path: Path, ledger: Any, queue: Callable[[str], str], refuse: Refuse
) -> None:
    one = office(hook)
    one.start(path)
    render = queue("a")
    ledger.begin_attempt(render, 1)
    ledger.finish_render(render)
    one.stop(drained=True)
    assert [call.headers["X-Atelierd-Event"] for call in hook.calls] == ["done", "empty"]


def test_a_full_disk_at_the_start_puts_only_the_telling_off(
    hook: WebhookServer,
    path: Path,
    refuse: Refuse,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(*_: object) -> None:
        raise WorldFault("the disk is full")

    one = office(hook)
    with monkeypatch.context() as patched:
        patched.setattr(NoticeBox, "enroll", full)
        one.start(path)
    assert "cannot be noted yet: the disk is full" in caplog.text
    # By its first turn the courier has enrolled its receiver.
    box = NoticeBox.open(path)
    while not box.waiting():
        time.sleep(0.01)
    box.close()
    refuse("a")
    assert hook.waited_for()
    one.stop(drained=False)
    assert names(hook) == ["a"]


def test_nobody_to_tell_starts_no_thread(path: Path, ledger: Any, refuse: Refuse) -> None:
    one = office()
    one.start(path)
    refuse("a")
    one.see(("trouble",))
    one.stop(drained=True)
    assert one._couriers == [] and one._looking is None


def test_one_url_twice_is_an_error_of_the_configuration() -> None:
    twice = {"webhooks": [{"url": "https://example.org/a"}, {"url": "https://example.org/a"}]}
    with pytest.raises(ConfigError, match="twice"):
        PostOffice(NotifySettings.model_validate(twice))


def test_no_log_line_has_a_url_or_a_secret(
    hook: WebhookServer,
    path: Path,
    refuse: Refuse,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(0)
    monkeypatch.setenv("HOOK_KEY", "open-sesame")
    hook.script.extend([500, "cut", 422])
    settings = {"webhooks": [{"url": hook.url, "secret": {"env": "HOOK_KEY"}}]}
    one = PostOffice(NotifySettings.model_validate(settings))
    one.start(path)
    refuse("a")
    assert hook.waited_for(3)
    one.stop(drained=False)
    assert len(caplog.records) >= 3
    ours = "\n".join(r.getMessage() for r in caplog.records if r.name.startswith("atelierd"))
    assert "s3cret" not in ours
    assert "sesame" not in caplog.text


def test_other_receivers_are_told_after_a_change_and_what_was_left_over_is_not_lost(
    hook: WebhookServer, path: Path, refuse: Refuse
) -> None:
    one = office()
    one.start(path)
    one.change(NotifySettings.model_validate({"webhooks": [{"url": hook.url}]}), path)
    refuse("a")
    assert hook.waited_for()
    # The same again, as when a secret was renewed.
    one.change(NotifySettings.model_validate({"webhooks": [{"url": hook.url}]}), path)
    refuse("b")
    assert hook.waited_for()
    one.change(NotifySettings(), path)
    refuse("c")
    one.stop(drained=False)
    assert names(hook) == ["a", "b"]


def test_a_change_to_a_secret_that_cannot_be_read_changes_nothing(
    hook: WebhookServer, path: Path, refuse: Refuse, tmp_path: Path
) -> None:
    one = office(hook)
    one.start(path)
    broken = {"url": "http://127.0.0.1/", "secret": {"file": str(tmp_path / "none")}}
    with pytest.raises(ConfigError):
        one.change(NotifySettings.model_validate({"webhooks": [broken]}), path)
    refuse("a")
    assert hook.waited_for()
    one.stop(drained=False)
    assert names(hook) == ["a"]


def test_what_a_slow_receiver_is_still_to_be_told_comes_once_after_a_change(
    hook: WebhookServer, path: Path, refuse: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_PATIENCE", module.STOP_PATIENCE / 30)
    hook.script.append("hang")
    one = office(hook)
    one.start(path)
    refuse("a")
    assert hook.waited_for()
    for name in ("b", "c", "d"):
        refuse(name)
    one.change(NotifySettings.model_validate({"webhooks": [{"url": hook.url}]}), path)
    hook.released.set()
    assert hook.waited_for(4)
    time.sleep(0.3)
    one.stop(drained=False)
    assert names(hook) == ["a", "a", "b", "c", "d"], "only what was on its way comes again"
