from __future__ import annotations

import logging
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509

from atelierd.cluster.certificates import AUTHORITY, CERTIFICATE, KEY, ROLES, end_of, make
from atelierd.cluster.security import security_of
from atelierd.errors import ConfigError

NOW = datetime.now(UTC).replace(microsecond=0)
YEAR = timedelta(days=365)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make(tmp_path / "c", ("gpu1", "10.0.0.7"), YEAR, NOW)
    return tmp_path / "c"


def certificate(folder: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / CERTIFICATE).read_bytes())


def shake(server: Path, client: Path) -> str | None:
    """Return why two do not take each other; None if they do."""
    listening = security_of(server, insecure=False).get_listen_args("scheduler")["ssl_context"]
    connecting = security_of(client, insecure=False).get_connection_args("worker")["ssl_context"]
    ours, theirs = socket.socketpair()
    faults: list[str] = []

    def answer() -> None:
        try:
            with listening.wrap_socket(theirs, server_side=True) as tls:
                tls.sendall(b"welcome")
        except OSError as error:
            faults.append(str(error))
        finally:
            theirs.close()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        with connecting.wrap_socket(ours) as tls:
            if tls.recv(7) != b"welcome":
                faults.append("no welcome")
    except OSError as error:
        faults.append(str(error))
    finally:
        ours.close()
        thread.join()
    return faults[0] if faults else None


def test_each_part_has_a_folder_with_all_that_its_machine_needs(folder: Path) -> None:
    for role in ROLES:
        assert {path.name for path in (folder / role).iterdir()} == {AUTHORITY, CERTIFICATE, KEY}


def test_private_keys_are_for_their_owner_alone(folder: Path) -> None:
    for key in folder.rglob("*key*"):
        assert key.stat().st_mode & 0o777 == 0o600, key


def test_certificates_name_the_machines_and_end_when_they_should(folder: Path) -> None:
    found = certificate(folder / "worker")
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "gpu1" in names.get_values_for_type(x509.DNSName)
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("10.0.0.7")]
    assert end_of(folder / "worker" / CERTIFICATE) == NOW + YEAR


def test_parts_of_one_cluster_take_each_other(folder: Path) -> None:
    assert shake(folder / "scheduler", folder / "worker") is None
    assert shake(folder / "worker", folder / "scheduler") is None
    assert shake(folder / "scheduler", folder / "daemon") is None


def test_a_daemons_certificate_cannot_pass_for_a_schedulers(folder: Path) -> None:
    fault = shake(folder / "daemon", folder / "worker")
    assert fault is not None


def test_a_stranger_is_refused_in_both_directions(folder: Path, tmp_path: Path) -> None:
    make(tmp_path / "other", (), YEAR, NOW)
    assert shake(folder / "scheduler", tmp_path / "other" / "worker") is not None
    assert shake(tmp_path / "other" / "scheduler", folder / "worker") is not None


def test_made_again_they_are_renewed_and_old_ones_still_trusted(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "scheduler").rename(tmp_path / "old")
    before = certificate(folder / "worker")
    made = make(folder, (), YEAR, NOW + timedelta(minutes=30))
    assert not made.new_authority
    after = certificate(folder / "worker")
    assert after.serial_number != before.serial_number
    assert shake(tmp_path / "old", folder / "worker") is None


def test_none_is_good_for_longer_than_the_authority(tmp_path: Path) -> None:
    made = make(tmp_path, (), timedelta(days=9000), NOW)
    assert made.until == NOW + timedelta(days=3650)
    with pytest.raises(ConfigError, match="make a cluster anew"):
        make(tmp_path, (), YEAR, NOW + timedelta(days=4000))


@pytest.mark.parametrize("data", [None, b"no key"])
def test_an_authority_without_its_key_says_what_to_do(folder: Path, data: bytes | None) -> None:
    (folder / "ca.key").unlink()
    if data is not None:
        (folder / "ca.key").write_bytes(data)
    with pytest.raises(ConfigError, match="the authority cannot be read"):
        make(folder, (), YEAR, NOW)


def test_a_lost_authority_is_put_back_and_not_made_anew(folder: Path) -> None:
    key = (folder / "ca.key").read_bytes()
    (folder / "ca.pem").unlink()
    with pytest.raises(ConfigError, match=r"copy it back from .*scheduler/ca\.pem") as caught:
        make(folder, (), YEAR, NOW)
    assert "another folder" in str(caught.value)
    assert (folder / "ca.key").read_bytes() == key
    (folder / "ca.pem").write_bytes((folder / "scheduler" / "ca.pem").read_bytes())
    assert not make(folder, (), YEAR, NOW).new_authority


def test_the_key_of_another_authority_is_not_taken(folder: Path, tmp_path: Path) -> None:
    make(tmp_path / "other", (), YEAR, NOW)
    (folder / "ca.key").write_bytes((tmp_path / "other" / "ca.key").read_bytes())
    with pytest.raises(ConfigError, match="is not the key of"):
        make(folder, (), YEAR, NOW)


def test_a_certificate_whose_time_is_over_is_told(tmp_path: Path) -> None:
    make(tmp_path, (), timedelta(days=1), NOW - timedelta(days=2))
    with pytest.raises(ConfigError, match=r"ended on .* renews it"):
        security_of(tmp_path / "worker", insecure=False)


def test_a_certificate_that_ends_soon_and_a_key_that_others_can_read_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path, (), timedelta(days=3), NOW)
    (tmp_path / "worker" / KEY).chmod(0o644)
    security_of(tmp_path / "worker", insecure=False)
    assert "ends on" in caplog.text
    assert "can be read by others" in caplog.text


def test_a_folder_without_certificates_says_how_they_are_made(tmp_path: Path) -> None:
    for folder in (None, tmp_path):
        with pytest.raises(ConfigError, match="atelierd cluster init"):
            security_of(folder, insecure=False)


def test_without_tls_only_when_it_is_said_and_then_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        assert not security_of(None, insecure=True).require_encryption
    assert "without TLS" in caplog.text


def test_nothing_older_than_tls_1_3_is_spoken(folder: Path) -> None:
    context = security_of(folder / "worker", insecure=False).get_connection_args("worker")
    assert context["ssl_context"].minimum_version is ssl.TLSVersion.TLSv1_3
