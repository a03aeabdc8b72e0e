"""Public keys of clients that keep their private ones: read from PEM, checked, and written in one canonical form.

Ed25519, and RSA of 2048 to 4096 bits. An RSA exponent is bounded too: verifying costs time in proportion to its length,
and it is the client who chooses it.
"""

from typing import Final, Literal, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

Kind = Literal["HMAC", "ED25519", "RSA"]

PEM_CHARS_MAX: Final = 2048
RSA_BITS: Final = range(2048, 4096 + 1)
RSA_EXPONENTS: Final = range(3, 2**32)


class PublicKey(NamedTuple):
    kind: Kind
    pem: str


def read_public_key(text: str) -> PublicKey:
    """Parse one PEM public key; raise ValueError with what is wrong with it."""
    if len(text) > PEM_CHARS_MAX:
        raise ValueError(f"must have at most {PEM_CHARS_MAX} characters")
    try:
        key = load_pem_public_key(text.strip().encode("ascii"))
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("must be a public key in PEM, from -----BEGIN PUBLIC KEY----- on") from None
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    if isinstance(key, Ed25519PublicKey):
        return PublicKey("ED25519", pem)
    if not isinstance(key, RSAPublicKey):
        raise ValueError("must be an Ed25519 or an RSA key")
    if key.key_size not in RSA_BITS or key.public_numbers().e not in RSA_EXPONENTS:
        raise ValueError(f"must have {RSA_BITS.start} to {RSA_BITS.stop - 1} bits and an ordinary exponent")
    return PublicKey("RSA", pem)
