"""The section `notify:` of the configuration: who is told of what happens, and how."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, model_validator

from atelierd.configvalues import Section, lasting
from atelierd.events import Event


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        port_is_sound = parts.port != 0
    except ValueError:
        parts, port_is_sound = SplitResult("", "", "", "", ""), False
    plain = value.isascii() and value.isprintable() and " " not in value
    if parts.scheme not in ("http", "https") or not parts.hostname or not (plain and port_is_sound):
        # Not repeated: whoever knows the URL of a webhook may call it.
        raise ValueError("expected a URL such as https://example.org/hook")
    if "@" in parts.netloc:
        raise ValueError("a URL with a password in it is not taken; sign the calls with `secret`")
    return value


MailAddress = Annotated[
    str, Field(pattern=r"^[^@\s<>,;\"()]+@[^@\s<>,;\"()]+$", max_length=254, title="a mail address")
]
Events = Annotated[tuple[Event, ...], Field(min_length=1)]


class SecretPlace(Section):
    """Where a secret is; it does not stand in the configuration itself."""

    file: Path | None = None
    """A file that holds it, on one line."""
    env: str | None = Field(
        default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", title="a variable's name"
    )
    """The variable of the daemon's environment that holds it."""

    @model_validator(mode="after")
    def _one_place(self) -> SecretPlace:
        if (self.file is None) == (self.env is None):
            raise ValueError("expected one of `file: PATH` and `env: VARIABLE`")
        return self


class WebhookSettings(Section):
    """A URL that is called when something happens."""

    url: Annotated[str, AfterValidator(_url), Field(title="an http or https URL")]
    """What is called, with POST and JSON."""
    secret: SecretPlace | None = None
    """The key that signs the calls; left out, they are not signed."""
    events: Events = tuple(Event)
    """What it is called for."""


class EmailSettings(Section):
    """Messages by e-mail."""

    server: str = Field(pattern=r"^[A-Za-z0-9.:_-]+$", title="a mail server's name")
    """The mail server's name or address."""
    port: int | None = Field(default=None, ge=1, le=65535)
    """Its port; left out, 587 for `starttls`, 465 for `ssl`, 25 for `none`."""
    encryption: Literal["starttls", "ssl", "none"] = "starttls"
    """How the connection is protected."""
    user: str | None = None
    """Who logs in; left out, nobody does."""
    password: SecretPlace | None = None
    """Where the user's password is."""
    sender: MailAddress
    """The address that messages come from."""
    to: tuple[MailAddress, ...] = Field(
        min_length=1, max_length=100, title="a list of mail addresses"
    )
    """The addresses that they go to."""
    events: Events = tuple(Event)
    """What is told."""

    @model_validator(mode="after")
    def _complete(self) -> EmailSettings:
        if (self.user is None) != (self.password is None):
            raise ValueError("`user` and `password` go together: name both, or neither")
        if self.password is not None and self.encryption == "none":
            raise ValueError(
                "with `encryption: none` the password would cross the network for all to read; "
                "use starttls or ssl, or leave user and password out"
            )
        return self


class NotifySettings(Section):
    """Who is told of what happens."""

    webhooks: tuple[WebhookSettings, ...] = Field(
        default=(), max_length=20, title="a list of webhooks, each with a `url`"
    )
    """URLs that are called."""
    email: EmailSettings | None = None
    """Messages by e-mail."""
    offline_after: Annotated[timedelta, lasting("0 s", "1 d")] = timedelta(minutes=1)
    """How long the share or a disk has to be gone before that is told."""
    give_up_after: Annotated[timedelta, lasting("1 min", "30 d")] = timedelta(days=2)
    """After how long a notice is thrown away that cannot be handed over."""
