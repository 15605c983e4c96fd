from __future__ import annotations

import email
import email.policy
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from tests.unit.notify import servers
from tests.unit.notify.servers import CERTIFICATE, Letter, MailServer

from atelierd.events import Event
from atelierd.ledger.notices import Notice
from atelierd.notify.mail import Mail
from atelierd.notify.receiver import RefusedError, UnreachableError
from atelierd.notifysettings import EmailSettings

Make = Callable[..., Notice]


def mail(server: MailServer, password: str | None = None, **keys: Any) -> Mail:
    settings = {
        "server": "127.0.0.1",
        "port": server.port,
        "encryption": server.encryption,
        "sender": "atelierd@example.org",
        "to": ["anna@example.org", "ben@example.org"],
        **keys,
    }
    if password is not None:
        settings |= {"user": "atelierd", "password": {"env": "UNUSED"}}
    return Mail(EmailSettings.model_validate(settings), password, patience=5.0)


def read(letter: Letter) -> EmailMessage:
    return email.message_from_bytes(letter.data, policy=email.policy.default)


def test_a_message_goes_to_everybody_with_its_subject_and_id(
    post: MailServer, notice: Make
) -> None:
    mail(post).send(notice(Event.FAILED, number=9))
    (letter,) = post.letters
    assert [one.partition(":")[2] for one in letter.recipients] == [
        "<anna@example.org>",
        "<ben@example.org>",
    ]
    message = read(letter)
    assert message["Subject"] == "atelierd: skyline has failed: 2 of 3 pictures"
    assert message["Message-ID"] == f"<{9:032x}@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert "wave.jpg: it is no picture" in message.get_content()


@pytest.mark.parametrize(
    "name", ["a\r\nBcc: eve@example.org\r\n\r\nx", "\n.\r\n", "🎨 größe\udc80"]
)
def test_a_job_cannot_write_headers_or_end_the_message(
    post: MailServer, notice: Make, name: str
) -> None:
    made = notice(Event.FAILED, job=name, name=name, source=name, reason=f"{name}\n.\nMAIL FROM:x")
    mail(post).send(made)
    (letter,) = post.letters
    assert len(letter.recipients) == 2
    message = read(letter)
    assert message["Bcc"] is None
    assert set(message.keys()) == {
        *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Atelierd-Event"),
        *("Content-Type", "Content-Transfer-Encoding", "MIME-Version"),
    }
    assert "MAIL FROM:x" in message.get_content()


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have OpenSSL trust the servers' certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("encryption", ["starttls", "ssl"])
def test_the_password_goes_over_an_encrypted_connection(notice: Make, encryption: str) -> None:
    server = MailServer(encryption=encryption, password="open sesame")
    with server.serving():
        mail(server, "open sesame").send(notice())
    (letter,) = server.letters
    assert letter.encrypted and letter.user == "atelierd"


@pytest.mark.parametrize("encryption", ["starttls", "ssl"])
def test_a_server_that_cannot_prove_itself_gets_nothing(
    notice: Make, encryption: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    server = MailServer(encryption=encryption, password="open sesame")
    with server.serving(), pytest.raises(UnreachableError, match="no encrypted connection"):
        mail(server, "open sesame").send(notice())
    assert server.letters == []


def test_a_server_that_offers_no_encryption_gets_nothing(post: MailServer, notice: Make) -> None:
    with pytest.raises(UnreachableError, match="STARTTLS"):
        mail(post, encryption="starttls").send(notice())
    assert post.letters == []


@pytest.mark.usefixtures("trusted")
def test_a_wrong_password_is_told_without_it_and_may_be_mended(notice: Make) -> None:
    server = MailServer(encryption="ssl", password="open sesame")
    with server.serving(), pytest.raises(UnreachableError, match="does not let the user in") as why:
        mail(server, "hush").send(notice())
    assert "hush" not in str(why.value)


@pytest.mark.parametrize(
    "fault",
    [
        "hang",
        "EHLO cut",
        "MAIL cut",
        "DATA cut",
        "SENT cut",
        "MAIL 451 later",
        "RCPT 450 later",
        "DATA 451 later",
        "SENT 452 full",
        "DATA nonsense",
    ],
)
def test_a_server_that_fails_is_asked_again(post: MailServer, notice: Make, fault: str) -> None:
    post.script.append(fault)
    receiver = mail(post)
    with pytest.raises(UnreachableError) as error:
        Mail(receiver.settings, None, patience=0.5).send(notice())
    assert error.value.__cause__ is None
    receiver.send(notice())
    assert post.letters


@pytest.mark.parametrize(
    "fault", ["MAIL 550 not you", "RCPT 550 no such person", "DATA 554 spam", "SENT 554 spam"]
)
def test_a_message_that_is_refused_for_good_is_not_sent_again(
    post: MailServer, notice: Make, fault: str
) -> None:
    post.script.append(fault)
    with pytest.raises(RefusedError):
        mail(post).send(notice())


@pytest.mark.parametrize("fault", ["QUIT cut", "QUIT 500 what"])
def test_a_rude_goodbye_does_not_undo_the_message(
    post: MailServer, notice: Make, fault: str
) -> None:
    post.script.append(fault)
    mail(post).send(notice())
    assert len(post.letters) == 1


def test_the_password_is_in_no_text_of_it(post: MailServer) -> None:
    receiver = mail(post, "open sesame", encryption="ssl")
    for text in (repr(receiver), receiver.label, receiver.name):
        assert "sesame" not in text


def test_a_message_that_only_some_are_refused_is_not_lost_without_a_word(
    post: MailServer,
    notice: Make,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def rcpt(session: Any, rest: str) -> bool:
        session._say("450 later" if "ben" in rest else "250 yes")
        return True

    monkeypatch.setattr(servers._Session, "_rcpt", rcpt)
    mail(post).send(notice())
    assert len(post.letters) == 1
    assert "but not for ben@example.org (450)" in caplog.text
