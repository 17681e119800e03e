"""Cache entries: what they hold, how they are named, and how they are sealed to their customer.

The store learns nothing and is believed in nothing: names are keyed digests, and the content opens
only under a key derived from the very customer and query that are asked for. Whatever else arrives
under a name (a desynchronised connection, a collision, a planted write) does not open.
"""

import base64
import hmac
import os
from dataclasses import dataclass
from functools import lru_cache

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.domain.identity import Customer, Identifier

_FORMAT = b"badges-entry-2"
_NONCE_BYTES = 12
STAMP_BYTES = 16
# In microseconds: a version of an entry that is further ahead of another is not believed.
MAX_STAMP_LEAD = 60_000_000
_NAME_BYTES = 18
# About 800 bytes each. Ciphers are not kept: their 2.6 kB take as long to come into the processor's
# cache as it takes to make one.
_MAX_REMEMBERED = 4096


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One remembered answer of the gateway.

    `fetched_at` is when its fetch began, `turns_at` when the first of its badges starts or expires
    after that (seconds since 1970); `epoch` was the customer's before the fetch began; `body` is
    the public JSON in gzip, or None where the gateway does not know the customer; `digest` and
    `link` make its ETag and Link.
    """

    fetched_at: float
    epoch: bytes
    body: bytes | None
    digest: str = ""
    link: str = ""
    turns_at: float | None = None

    @property
    def missing(self) -> bool:
        """Whether this remembers that the gateway does not know the customer."""
        return self.body is None


class BrokenSealError(Exception):
    """Content does not open under the key of its name: it is not, or no more, ours."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


@dataclass(frozen=True, slots=True)
class EntryKey:
    """The place of one customer's answer to one query: its names in the store and its seals.

    `name` is the entry's, `epoch_name` that of the epoch of its customer. The first of the seals
    closes, all open, so that secrets can roll.
    """

    name: str
    epoch_name: str
    seals: tuple[bytes, ...]

    def seal(self, entry: Entry) -> bytes:
        """Encrypt an entry with AES-256-GCM under a key of its own and a random nonce.

        In front stands the time of its fetch in clear (digits, microseconds, `STAMP_BYTES` long),
        so that the store itself can refuse to replace a newer entry by an older one.
        """
        stamp = b"%0*d" % (STAMP_BYTES, max(0, round(entry.fetched_at * 1e6)))
        nonce = os.urandom(_NONCE_BYTES)
        return stamp + nonce + AESGCM(self.seals[0]).encrypt(nonce, _encode(entry), stamp)

    def open(self, sealed: bytes) -> Entry:
        """Decrypt what `seal` made, under any of the secrets.

        Raises:
            BrokenSealError: it was not sealed for this customer and query, or was tampered with.

        """
        stamp, rest = sealed[:STAMP_BYTES], sealed[STAMP_BYTES:]
        nonce, content = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
        for key in self.seals:
            try:
                return _decode(AESGCM(key).decrypt(nonce, content, stamp))
            except (InvalidTag, ValueError, msgspec.DecodeError):
                continue
        raise BrokenSealError


class EntryKeys:
    """Makes the keys of entries.

    `name_secret` names entries and customers and never changes in place; `secrets` seal: the first
    closes, all open. `scope` is everything that makes two deployments strangers to each other: the
    namespace, the gateway's address, the attribution.
    """

    def __init__(
        self,
        *,
        namespace: str,
        name_secret: bytes,
        secrets: tuple[bytes, ...],
        scope: tuple[str, ...],
    ) -> None:
        self._namespace = namespace
        self._name_secret = name_secret
        self._secrets = secrets
        self._scope = _fields(namespace, *scope)
        # Both are asked for with each request, and cost more than opening an entry.
        self._keys = lru_cache(_MAX_REMEMBERED)(self._make_key)
        self._pseudonyms = lru_cache(_MAX_REMEMBERED)(self._make_pseudonym)

    def key(self, customer: Customer, query: str) -> EntryKey:
        """Return the key of a customer's answer to a query in canonical form."""
        return self._keys(customer, query)

    def pseudonym(self, customer: Customer) -> str:
        """Name a customer without saying who it is: for logs, and as the slot of its entries.

        An e-mail is folded here alone: events may spell it differently.
        """
        return self._pseudonyms(customer)

    def _make_key(self, customer: Customer, query: str) -> EntryKey:
        fields = _FORMAT + self._scope + _fields(customer.identifier, customer.value, query)
        name = _text(hmac.digest(self._name_secret, b"name" + fields, "sha256"))
        seals = tuple(hmac.digest(secret, b"seal" + fields, "sha256") for secret in self._secrets)
        epoch_name = self.epoch_name(customer)
        return EntryKey(f"{epoch_name}:{name}", epoch_name, seals)

    def epoch_name(self, customer: Customer) -> str:
        """Name the epoch of a customer, in the slot of its entries."""
        return f"{self._namespace}:{{{self.pseudonym(customer)}}}"

    def pause_name(self, calls: str) -> str:
        """Name the pause that the gateway asked this deployment for, by the kind of calls."""
        fields = b"pause" + self._scope + _fields(calls)
        return f"{self._namespace}:pause:{_text(hmac.digest(self._name_secret, fields, 'sha256'))}"

    def _make_pseudonym(self, customer: Customer) -> str:
        is_email = customer.identifier is Identifier.EMAIL
        value = customer.value.casefold() if is_email else customer.value
        fields = b"customer" + self._scope + _fields(customer.identifier, value)
        return _text(hmac.digest(self._name_secret, fields, "sha256"))


def _fields(*texts: str) -> bytes:
    """Join texts so that no two different lists give the same bytes."""
    encoded = (text.encode() for text in texts)
    return b"".join(len(item).to_bytes(4, "big") + item for item in encoded)


def _text(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest[:_NAME_BYTES]).decode()
