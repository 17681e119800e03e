"""Issuers' key sets (RFC 7517): which of the published keys may verify signatures."""

from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from joserfc.jwk import JWKRegistry, Key

from app.protocol.tolerant_json import parse_json

_MAX_KEYS = 64
_MIN_RSA_BITS = 2048
_MAX_RSA_BITS = 8192
_SIGNING = (RSAPublicKey, EllipticCurvePublicKey, Ed25519PublicKey, Ed448PublicKey)


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of an issuer."""

    keys: tuple[Key, ...]

    def candidates(self, algorithm: str, key_id: str | None) -> tuple[Key, ...]:
        """Return the keys that may have signed under this algorithm and key id.

        A key that is published without an id may belong to any.
        """
        return tuple(
            key
            for key in self.keys
            if key.get("alg") in (None, algorithm)
            and (key_id is None or key.get("kid") in (None, key_id))
        )


def read_key_set(document: bytes) -> KeySet:
    """Import a JWKS (RFC 7517 section 5) key by key: one that can't be used spoils no other.

    Raises:
        ValueError: the document is no key set.

    """
    raw = parse_json(document)
    items = raw.get("keys") if isinstance(raw, dict) else None
    if not isinstance(items, list):
        raise ValueError("not a key set")  # noqa: TRY004 - an answer of the wrong shape, not a bug
    keys = (_import_key(item) for item in items[:_MAX_KEYS])
    return KeySet(tuple(key for key in keys if key is not None))


def _import_key(raw: Any) -> Key | None:
    """Import one key; None unless it is a public key of ours to verify signatures with."""
    if not isinstance(raw, dict) or raw.get("use", "sig") != "sig":
        return None
    # Hostile or broken parameters raise whatever the arithmetic below them raises.
    try:
        key = JWKRegistry.import_key(raw)
        native = key.get_op_key("verify")
    except Exception:  # noqa: BLE001
        return None
    # Symmetric keys have no business in a published set, and keys of Diffie-Hellman sign nothing.
    if not isinstance(native, _SIGNING):
        return None
    if isinstance(native, RSAPublicKey) and not _MIN_RSA_BITS <= native.key_size <= _MAX_RSA_BITS:
        return None
    return key
