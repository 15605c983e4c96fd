"""The certificates of a cluster: an authority of its own, and one certificate for each part.

    ca.pem, ca.key      the authority; its key stays where it was made
    scheduler/  worker/  daemon/
        ca.pem          whom to trust
        cert.pem        who this is
        key.pem         its private key, for its user alone

Each folder is copied to its machine. A daemon's certificate is good for connecting only; those of
scheduler and workers for being connected to as well.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from atelierd import durable
from atelierd.errors import ConfigError

AUTHORITY, AUTHORITY_KEY = "ca.pem", "ca.key"
CERTIFICATE, KEY = "cert.pem", "key.pem"
ROLES = ("scheduler", "worker", "daemon")
#: How long an authority made here is trusted.
AUTHORITY_LIFE = timedelta(days=3650)
#: Clocks of a cluster's machines may differ by as much.
CLOCK_SKEW = timedelta(hours=1)


@dataclass(frozen=True)
class Made:
    """What was made, for those who asked."""

    folders: tuple[Path, ...]
    new_authority: bool
    until: datetime
    """When the certificates end."""


def make(folder: Path, hosts: Sequence[str], life: timedelta, now: datetime) -> Made:
    """Make certificates for all parts below `folder`, and the authority if there is none yet.

    Made again, they are renewed with new keys; the authority stays, so parts that have old ones
    still trust those that have new ones. `hosts` are names and addresses of the scheduler's and
    the workers' machines. Raises ConfigError if the authority cannot be read, OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    is_new = not (folder / AUTHORITY).exists()
    if is_new:
        _refuse_lost_authority(folder)
        _make_authority(folder, now)
    authority, key = _read_authority(folder)
    until = min(now + life, authority.not_valid_after_utc)
    if until <= now:
        raise ConfigError(
            f"{folder / AUTHORITY}: ended on {until:%Y-%m-%d}; make a cluster anew in another "
            "folder, and give every machine its certificate from there"
        )
    for role in ROLES:
        _make_one(folder / role, role, hosts, (now, until), authority, key)
    return Made(tuple(folder / role for role in ROLES), is_new, until)


def end_of(certificate: Path) -> datetime:
    """Return when a certificate ends. Raises ConfigError if it cannot be read."""
    try:
        return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        raise ConfigError(f"{certificate}: no certificate can be read there: {error}") from error


def _refuse_lost_authority(folder: Path) -> None:
    """Raise ConfigError if there has been an authority: a new one would split the cluster."""
    for role in ROLES:
        if (folder / role / CERTIFICATE).exists():
            raise ConfigError(
                f"{folder / AUTHORITY} is gone, but {folder / role} was made by it; copy it back "
                f"from {folder / role / AUTHORITY} or any machine of the cluster, or name another "
                "folder for a new cluster"
            )


def _make_authority(folder: Path, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("atelierd cluster authority")
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    # The key first: a kill in between leaves a folder that is begun anew.
    _write_secret(folder / AUTHORITY_KEY, _pem(key))
    durable.write_bytes(folder / AUTHORITY, certificate.public_bytes(serialization.Encoding.PEM))


def _read_authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    path, key_path = folder / AUTHORITY, folder / AUTHORITY_KEY
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"{folder}: the authority cannot be read: {error}. Name the folder that it was made "
            "in, or another one for a new cluster"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or (
        key.public_key() != certificate.public_key()
    ):
        raise ConfigError(f"{key_path} is not the key of {path}")
    return certificate, key


def _make_one(
    folder: Path,
    role: str,
    hosts: Sequence[str],
    valid: tuple[datetime, datetime],
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    uses = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if role != "daemon":
        uses.append(ExtendedKeyUsageOID.SERVER_AUTH)
    names = [x509.DNSName(f"{role}.atelierd"), *(_general_name(host) for host in hosts)]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(f"atelierd {role}"))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0] - CLOCK_SKEW)
        .not_valid_after(valid[1])
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    folder.mkdir(exist_ok=True)
    _write_secret(folder / KEY, _pem(key))
    for name, one in ((CERTIFICATE, certificate), (AUTHORITY, authority)):
        durable.write_bytes(folder / name, one.public_bytes(serialization.Encoding.PEM))


def _name(words: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, words)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host)
    except ValueError as error:
        raise ConfigError(f"{host!r} is neither a host's name nor an IP address") from error


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write_secret(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read, from its first byte on."""
    with durable.replacing(path) as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(data)
