from __future__ import annotations

import hashlib
import hmac
import json
import socket
from collections.abc import Callable

import pytest
from tests.unit.notify.servers import WebhookServer

from atelierd.errors import ConfigError
from atelierd.events import Event
from atelierd.ledger.notices import Notice
from atelierd.notify.receiver import RefusedError, UnreachableError
from atelierd.notify.webhook import Webhook
from atelierd.notifysettings import WebhookSettings

Make = Callable[..., Notice]
ALL = tuple(Event)


def test_a_call_is_signed_over_the_bytes_of_its_body(hook: WebhookServer, notice: Make) -> None:
    Webhook(hook.url, b"open sesame", ALL).send(notice())
    (call,) = hook.calls
    expected = hmac.new(b"open sesame", call.body, hashlib.sha256).hexdigest()
    assert call.headers["X-Atelierd-Signature"] == f"sha256={expected}"
    assert call.headers["Content-Type"] == "application/json"
    assert json.loads(call.body)["job"] == "skyline"


def test_a_call_without_a_secret_is_not_signed(hook: WebhookServer, notice: Make) -> None:
    Webhook(hook.url, None, ALL).send(notice())
    assert "X-Atelierd-Signature" not in hook.calls[0].headers


def test_the_id_of_a_notice_is_the_same_at_every_try(hook: WebhookServer, notice: Make) -> None:
    for _ in range(2):
        Webhook(hook.url, None, ALL).send(notice(number=7))
    ids = {call.headers["X-Atelierd-Id"] for call in hook.calls}
    assert ids == {f"{7:032x}"} == {json.loads(call.body)["id"] for call in hook.calls}


def test_a_name_that_would_be_a_header_is_text_in_the_body(
    hook: WebhookServer, notice: Make
) -> None:
    name = "x\r\nX-Evil: yes\r\n\r\n\ud800🎨"
    Webhook(hook.url, None, ALL).send(notice(job=name, name=name))
    (call,) = hook.calls
    assert "X-Evil" not in call.headers
    assert json.loads(call.body)["job"] == name


@pytest.mark.parametrize("status", [500, 503, 429, 404, 401, 302, 307])
def test_an_answer_that_may_change_is_asked_for_again(
    hook: WebhookServer, notice: Make, status: int
) -> None:
    hook.script.append(status)
    with pytest.raises(UnreachableError, match=f"it answers {status}"):
        Webhook(hook.url, None, ALL).send(notice())
    assert len(hook.calls) == 1, "a redirection is not followed"


@pytest.mark.parametrize("status", [400, 410, 413, 422])
def test_an_answer_about_the_notice_is_final(
    hook: WebhookServer, notice: Make, status: int
) -> None:
    hook.script.append(status)
    with pytest.raises(RefusedError, match=f"it answers {status}"):
        Webhook(hook.url, None, ALL).send(notice())


@pytest.mark.parametrize(
    ("what", "patience", "words"), [("hang", 0.3, "no answer within"), ("cut", 30, "broke off")]
)
def test_a_receiver_that_hangs_or_breaks_off_is_unreachable(
    hook: WebhookServer, notice: Make, what: str, patience: float, words: str
) -> None:
    hook.script.append(what)
    with pytest.raises(UnreachableError, match=words) as error:
        Webhook(hook.url, b"open sesame", ALL, patience=patience).send(notice())
    assert "s3cret" not in str(error.value) and "sesame" not in str(error.value)
    assert error.value.__cause__ is None


def test_nobody_waits_for_the_end_of_an_answer(hook: WebhookServer, notice: Make) -> None:
    hook.script.append("drip")
    Webhook(hook.url, None, ALL, patience=5).send(notice())


def test_a_receiver_that_is_not_there_is_told_without_its_url(notice: Make) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/s3cret-in-the-path"
        with pytest.raises(UnreachableError, match="Connection refused") as error:
            Webhook(url, None, ALL).send(notice())
    assert "s3cret" not in str(error.value)


def test_neither_url_nor_secret_is_in_its_text() -> None:
    webhook = Webhook("https://hooks.example.org/T0/s3cret", b"open sesame", ALL)
    for text in (repr(webhook), str(webhook), webhook.label, webhook.name):
        assert "s3cret" not in text and "sesame" not in text
    assert webhook.label == "the webhook at hooks.example.org"


def test_two_urls_of_one_machine_are_two_receivers() -> None:
    one, other = (Webhook(f"https://example.org/{path}", None, ALL) for path in "ab")
    assert one.name != other.name
    assert one.name == Webhook(one.url, b"another key", (Event.DONE,)).name


def test_a_secret_that_is_not_there_is_an_error_of_the_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    settings = WebhookSettings.model_validate(
        {"url": "https://example.org", "secret": {"env": "NO_SUCH_KEY"}}
    )
    with pytest.raises(ConfigError, match="NO_SUCH_KEY"):
        Webhook.of(settings)
