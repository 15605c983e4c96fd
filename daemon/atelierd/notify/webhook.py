"""Calls to a URL: JSON by POST, signed with a key that both sides know."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import requests

from atelierd import __version__
from atelierd.events import Event
from atelierd.ledger.notices import Notice
from atelierd.notify.receiver import RefusedError, UnreachableError
from atelierd.notify.secrets import read_secret
from atelierd.notify.words import payload
from atelierd.notifysettings import WebhookSettings

ID_HEADER, EVENT_HEADER, SIGNATURE_HEADER = (
    "X-Atelierd-Id",
    "X-Atelierd-Event",
    "X-Atelierd-Signature",
)
#: Seconds that the receiver has to take the connection, and between two signs of its answer.
PATIENCE = 10.0

#: Answers that are about the notice: asked again, they would be the same.
_REFUSALS = frozenset({400, 410, 413, 422})


def signature(secret: bytes, body: bytes) -> str:
    """Return the value of the signature's header: HMAC-SHA256 of the body's bytes."""
    return f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"


@dataclass(frozen=True)
class Webhook:
    """One URL. Its text is in no message: whoever knows it may call it."""

    url: str = field(repr=False)
    secret: bytes | None = field(repr=False)
    events: tuple[Event, ...]
    patience: float = PATIENCE

    @classmethod
    def of(cls, settings: WebhookSettings) -> Webhook:
        """Return the receiver that the configuration describes. Raises ConfigError."""
        secret = None if settings.secret is None else read_secret(settings.secret)
        return cls(settings.url, secret, settings.events)

    @property
    def name(self) -> str:
        """Its name in the ledger."""
        return f"webhook {hashlib.sha256(self.url.encode()).hexdigest()[:16]}"

    @property
    def label(self) -> str:
        """Its machine."""
        return f"the webhook at {urlsplit(self.url).hostname}"

    def send(self, notice: Notice) -> None:
        """Call the URL. Raises UnreachableError, RefusedError."""
        body = json.dumps(payload(notice)).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"atelierd/{__version__}",
            ID_HEADER: notice.uid,
            EVENT_HEADER: notice.event.value,
        }
        if self.secret is not None:
            headers[SIGNATURE_HEADER] = signature(self.secret, body)
        try:
            # Followed, a redirection would take the call to where nobody has configured it; and
            # of the answer only the status is read, whatever it is and however long.
            with requests.post(
                self.url,
                data=body,
                headers=headers,
                timeout=self.patience,
                allow_redirects=False,
                stream=True,
            ) as answer:
                status = answer.status_code
        except requests.RequestException as error:
            raise UnreachableError(_why(error, self.patience)) from None
        if status in _REFUSALS:
            raise RefusedError(f"it answers {status}")
        if not 200 <= status < 300:
            raise UnreachableError(f"it answers {status}")


def _why(error: requests.RequestException, patience: float) -> str:
    """Return what went wrong; requests' own words have the URL in them."""
    if isinstance(error, requests.Timeout):
        return f"no answer within {patience:g} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not accepted"
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    return "the connection broke off"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Give what led to an error, as far as it is told; urllib3 keeps some of it in `reason`."""
    todo, seen = [error], set[int]()
    while todo:
        one = todo.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        if not isinstance(one, requests.RequestException):
            yield one
        around = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        todo += [cause for cause in around if isinstance(cause, BaseException)]
