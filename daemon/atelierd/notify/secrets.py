"""Reading a secret from where the configuration says it is."""

from __future__ import annotations

import os
from collections.abc import Mapping

from atelierd.errors import ConfigError
from atelierd.notifysettings import SecretPlace

#: Bytes that a file with a secret may have.
LARGEST = 64 * 1024


def read_secret(place: SecretPlace, environment: Mapping[str, str] = os.environ) -> bytes:
    """Return the secret, without the line's end. Raises ConfigError, which does not repeat it."""
    if place.env is not None:
        where = f"the environment variable {place.env}"
        value = environment.get(place.env, "").encode(errors="surrogateescape")
        if not value:
            raise ConfigError(f"{where} is not set or empty; expected the secret in it")
    else:
        where = str(place.file)
        try:
            with open(where, "rb") as file:  # noqa: PTH123 - the path's text is at hand
                value = file.read(LARGEST + 1)
        except OSError as error:
            raise ConfigError(
                f"{where}: the file with the secret cannot be read: {error.strerror}; let the "
                "daemon's user read it"
            ) from error
        if len(value) > LARGEST:
            raise ConfigError(f"{where}: expected a secret on one line, found more than 64 KiB")
    value = value.strip()
    if not value or b"\n" in value:
        what = "more than one line" if value else "nothing"
        raise ConfigError(f"{where}: found {what}; expected a secret on one line")
    return value
