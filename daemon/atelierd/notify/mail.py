"""Messages by e-mail."""

from __future__ import annotations

import contextlib
import logging
import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime

from atelierd.events import Event
from atelierd.ledger.notices import Notice
from atelierd.notify.receiver import RefusedError, UnreachableError
from atelierd.notify.secrets import read_secret
from atelierd.notify.words import lines, sentence
from atelierd.notifysettings import EmailSettings
from atelierd.wording import shown

logger = logging.getLogger(__name__)

#: Seconds that the server has for each of its answers.
PATIENCE = 20.0

_PORTS = {"starttls": 587, "ssl": 465, "none": 25}


@dataclass(frozen=True)
class Mail:
    """One mail server, and who is written to."""

    settings: EmailSettings
    password: str | None = field(repr=False)
    patience: float = PATIENCE

    @classmethod
    def of(cls, settings: EmailSettings) -> Mail:
        """Return the receiver that the configuration describes. Raises ConfigError."""
        password = None
        if settings.password is not None:
            password = read_secret(settings.password).decode(errors="surrogateescape")
        return cls(settings, password)

    @property
    def name(self) -> str:
        """Its name in the ledger."""
        return "email"

    @property
    def label(self) -> str:
        """Its server."""
        return f"the mail server {self.settings.server}"

    @property
    def events(self) -> tuple[Event, ...]:
        """What is written about."""
        return self.settings.events

    def send(self, notice: Notice) -> None:
        """Hand the message to the server. Raises UnreachableError, RefusedError."""
        message = self.message(notice)
        try:
            with self._connected() as server:
                left_out = server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            told = f"it takes no message to {', '.join(error.recipients)}"
            if all(500 <= code < 600 for code in codes):
                raise RefusedError(told) from None
            raise UnreachableError(told) from None
        except smtplib.SMTPAuthenticationError as error:
            # Somebody will mend it: the message is kept. What the server says may repeat secrets.
            raise UnreachableError(
                f"it does not let the user in ({error.smtp_code}); see user and password"
            ) from None
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            if 500 <= error.smtp_code < 600:
                raise RefusedError(f"it does not take the message: {_said(error)}") from None
            raise UnreachableError(_said(error)) from None
        except smtplib.SMTPResponseException as error:
            raise UnreachableError(_said(error)) from None
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise UnreachableError(_why(error, self.patience)) from None
        if left_out:
            # Sent again, it would come to the others twice.
            logger.warning(
                "%s has taken the notice %s, but not for %s",
                self.label,
                notice.uid,
                ", ".join(f"{who} ({code})" for who, (code, _) in left_out.items()),
            )

    def message(self, notice: Notice) -> EmailMessage:
        """Return the message; sent twice, a mailbox can tell that it is the same."""
        message = EmailMessage()
        message["From"] = self.settings.sender
        message["To"] = ", ".join(self.settings.to)
        message["Subject"] = f"atelierd: {sentence(notice)}"
        message["Date"] = format_datetime(notice.happened_at)
        message["Message-ID"] = f"<{notice.uid}@{self.settings.sender.rpartition('@')[2]}>"
        # So that no absent person's machine answers it.
        message["Auto-Submitted"] = "auto-generated"
        message["X-Atelierd-Event"] = notice.event.value
        message.set_content("\n".join(lines(notice)) + "\n")
        return message

    @contextlib.contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        settings = self.settings
        port = settings.port or _PORTS[settings.encryption]
        server: smtplib.SMTP
        if settings.encryption == "ssl":
            context = ssl.create_default_context()
            server = smtplib.SMTP_SSL(settings.server, port, timeout=self.patience, context=context)
        else:
            server = smtplib.SMTP(settings.server, port, timeout=self.patience)
        try:
            if settings.encryption == "starttls":
                server.starttls(context=ssl.create_default_context())
            if settings.user is not None and self.password is not None:
                server.login(settings.user, self.password)
            yield server
            # Once the message is taken, a rude goodbye changes nothing about it.
            with contextlib.suppress(OSError, smtplib.SMTPException):
                server.quit()
        finally:
            server.close()


def _said(error: smtplib.SMTPResponseException) -> str:
    words = error.smtp_error
    text = words.decode(errors="replace") if isinstance(words, bytes) else str(words)
    return f"{error.smtp_code} {shown(' '.join(text.split()), 200)}"


def _why(error: Exception, patience: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {patience:g} s"
    if isinstance(error, ssl.SSLError):
        return f"no encrypted connection: {shown(error.reason or str(error), 200)}"
    if (
        isinstance(error, OSError)
        and error.strerror
        and not isinstance(error, smtplib.SMTPException)
    ):
        return error.strerror
    return shown(str(error), 200)
