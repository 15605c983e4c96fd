from __future__ import annotations

from pathlib import Path

import pytest

from atelierd.errors import ConfigError
from atelierd.notify.secrets import LARGEST, read_secret
from atelierd.notifysettings import SecretPlace


def test_a_secret_is_read_from_a_file_without_the_end_of_its_line(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"open sesame\r\n")
    assert read_secret(SecretPlace(file=file)) == b"open sesame"


def test_a_secret_is_read_from_the_environment() -> None:
    assert read_secret(SecretPlace(env="KEY"), {"KEY": "open sesame"}) == b"open sesame"


@pytest.mark.parametrize("environment", [{}, {"KEY": ""}, {"KEY": "  "}])
def test_a_variable_that_is_not_set_is_told_by_name(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="the environment variable KEY"):
        read_secret(SecretPlace(env="KEY"), environment)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "found nothing"),
        (b"\n \n", "found nothing"),
        (b"hush\nhush\n", "found more than one line"),
        (b"x" * (LARGEST + 1), "more than 64 KiB"),
    ],
)
def test_what_is_no_secret_is_told_and_not_repeated(
    tmp_path: Path, content: bytes, words: str
) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        read_secret(SecretPlace(file=file))
    assert words in str(error.value) and str(file) in str(error.value)
    assert "hush" not in str(error.value)


def test_a_file_that_cannot_be_read_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="let the daemon's user read it"):
        read_secret(SecretPlace(file=tmp_path / "none"))
