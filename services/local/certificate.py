"""The certificate that a local exchange shows to clients that speak TLS only: self-signed, for this machine's names.

It is no authority: whoever trusts it trusts this exchange and nothing else, even if its key should get lost. Clients
that were told to trust it must be told again when it is replaced, so it is kept until ``RENEW_BEFORE`` its end.
"""

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.local.data_directory import DataDirectory, replace_private

NAMES: Final = (
    x509.DNSName("localhost"),
    x509.IPAddress(IPv4Address("127.0.0.1")),
    x509.IPAddress(IPv6Address("::1")),
)
# Clients on some systems accept none that last longer than 825 days.
LIFETIME: Final = timedelta(days=397)
RENEW_BEFORE: Final = timedelta(days=30)
# A client's clock may be behind.
_BACKDATED: Final = timedelta(hours=1)


def ensure_certificate(directory: DataDirectory) -> None:
    """Make certificate and key unless there are good ones."""
    now = datetime.now(UTC)
    if _is_good(directory, now):
        return
    key = ec.generate_private_key(ec.SECP256R1())
    directory.tls.mkdir(mode=0o700, exist_ok=True)
    # Should the second be missing, the first does not match: then both are made anew.
    replace_private(directory.tls_key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    replace_private(directory.tls_certificate, _certify(key, now).public_bytes(Encoding.PEM))


def _is_good(directory: DataDirectory, now: datetime) -> bool:
    """Whether they belong together and will last."""
    try:
        certificate = x509.load_pem_x509_certificate(directory.tls_certificate.read_bytes())
        key = load_pem_private_key(directory.tls_key.read_bytes(), password=None)
    except (FileNotFoundError, ValueError):
        return False
    return certificate.public_key() == key.public_key() and certificate.not_valid_after_utc - now > RENEW_BEFORE


def _certify(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Crossbook on this machine")])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(NAMES), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
