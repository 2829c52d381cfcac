"""The stack's own certificate authority: what its servers show to clients, and to each other.

Trino takes passwords over https only, and SeaweedFS' master, volumes and filer know no passwords at all: they talk to each
other by mutual TLS (`security.toml`). Both use certificates of an authority that is made at the first start and leaves the
stack's folder only as its public certificate, `tls/ca.pem`, which clients trust for these servers and for nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lakehouse.stack.private import write_private

FOLDER = "tls"
INTERNAL_NAME = "lakehouse-internal"
"""The name in the certificate that SeaweedFS' parts show."""
_HOSTS = ("127.0.0.1", "::1", "localhost")
_AUTHORITY_DAYS, _SERVER_DAYS = 3650, 730
# Made anew at a start when half of its time is over, so that a stack may then run for a year.
_RENEWED_BEFORE_DAYS = 365
# Clocks of a machine that slept are a little off.
_BEFORE = timedelta(days=1)


@dataclass(frozen=True)
class Certificates:
    """The files of a stack's authority.

    Attributes:
        authority: the certificate that clients trust.
        server: certificate and key in one file, as Trino wants them.
        internal, internal_key: what SeaweedFS' parts show to each other; nobody else has one.
    """

    authority: Path
    server: Path
    internal: Path
    internal_key: Path


def certificates(folder: Path) -> Certificates:
    """Where the files of the stack in a folder are."""
    tls = folder / FOLDER
    return Certificates(tls / "ca.pem", tls / "server.pem", tls / "internal.pem", tls / "internal.key")


def ensure(folder: Path, hosts: Sequence[str] = ()) -> Certificates:
    """Make what is missing, soon over or of other names; each file is for its owner alone (`ca.pem` is to be copied).

    Args:
        hosts: names or addresses at which clients find the servers, beside this machine's loopback.
    Raises:
        OSError: the folder cannot be written.
    """
    found = certificates(folder)
    found.authority.parent.mkdir(mode=0o700, exist_ok=True)
    key_file = found.authority.with_suffix(".key")
    if not key_file.exists() or not _holds(found.authority):
        key = ec.generate_private_key(ec.SECP256R1())
        write_private(key_file, _pem(key))
        write_private(found.authority, _authority(key).public_bytes(serialization.Encoding.PEM).decode())
        for old in (found.server, found.internal, found.internal_key):
            old.unlink(missing_ok=True)
    if not (_holds(found.server, hosts) and _holds(found.internal, hosts) and found.internal_key.exists()):
        authority = x509.load_pem_x509_certificate(found.authority.read_bytes())
        signer = serialization.load_pem_private_key(key_file.read_bytes(), None)
        assert isinstance(signer, ec.EllipticCurvePrivateKey)
        certificate, key = _signed(authority, signer, "lakehouse-server", hosts)
        write_private(found.server, certificate + _pem(key))
        certificate, key = _signed(authority, signer, INTERNAL_NAME, hosts)
        write_private(found.internal_key, _pem(key))
        write_private(found.internal, certificate)
    return found


def _holds(file: Path, hosts: Sequence[str] = ()) -> bool:
    """Whether a certificate is there, is good for these hosts, and still holds for long enough."""
    try:
        found = x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError):
        return False
    if found.not_valid_after_utc - datetime.now(UTC) <= timedelta(days=_RENEWED_BEFORE_DAYS):
        return False
    return not hosts or set(map(_host, hosts)) <= set(
        found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    )


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = _named("Lakehouse stack authority")
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return (
        _builder(name, name, key, _AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )


def _signed(
    authority: x509.Certificate, signer: ec.EllipticCurvePrivateKey, name: str, hosts: Sequence[str]
) -> tuple[str, ec.EllipticCurvePrivateKey]:
    """A certificate for this machine's loopback and further hosts, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    usages = [ExtendedKeyUsageOID.SERVER_AUTH]
    if name == INTERNAL_NAME:  # only it opens doors
        usages.append(ExtendedKeyUsageOID.CLIENT_AUTH)
    made = (
        _builder(_named(name), authority.subject, key, _SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(map(_host, (*_HOSTS, *hosts))), critical=False)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(*pem).decode()
