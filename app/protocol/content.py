"""The public JSON: encoded, digested and compressed once, when an entry is filled."""

import base64
import hashlib
import zlib
from collections.abc import Iterator

import msgspec

from app.domain.badges import BadgesPage
from app.domain.query import BadgesQuery
from app.domain.summary import Summary
from app.protocol import instants
from app.protocol.query import MAX_PAGE, canonical_query

_GZIP = 16 + zlib.MAX_WBITS
_DIGEST_BYTES = 15
_encoder = msgspec.json.Encoder()
_pages = msgspec.json.Decoder(BadgesPage)


def encode(answer: BadgesPage | Summary) -> bytes:
    """Write an answer as the public JSON, in UTF-8."""
    return _encoder.encode(answer)


def decode_page(compressed: bytes) -> BadgesPage:
    """Read a page back that was encoded and compressed here."""
    return _pages.decode(decompress(compressed))


def digest(body: bytes) -> str:
    """Digest a body for its entity tag: of the content alone, never of time."""
    sha256 = hashlib.sha256(body).digest()
    return base64.urlsafe_b64encode(sha256[:_DIGEST_BYTES]).decode()


def compress(body: bytes) -> bytes:
    """Compress with gzip (RFC 1952), without a time stamp: equal bodies give equal bytes."""
    compressor = zlib.compressobj(wbits=_GZIP)
    return compressor.compress(body) + compressor.flush()


def decompress(body: bytes) -> bytes:
    """Undo `compress`, for the rare client that refuses gzip."""
    return zlib.decompress(body, wbits=_GZIP)


def next_turn(page: BadgesPage, *, after: float) -> float | None:
    """Find when the first badge of a page starts or expires after a time (seconds since 1970).

    The texts all have one form, so that they can be compared as they are.
    """
    earliest = instants.to_text(int(after * 1000))
    turns = (turn for badge in page.badges for turn in (badge.starts_at, badge.expires_at))
    text = min((turn for turn in turns if turn is not None and turn > earliest), default=None)
    instant = None if text is None else instants.from_text(text)
    return None if instant is None else instant / 1000


def link_header(page: BadgesPage, query: BadgesQuery) -> str:
    """Write the Link header (RFC 8288) of a page: its neighbours, the first and the last page."""
    return ", ".join(
        f'<?{canonical_query(query, page=number)}>; rel="{relation}"'
        for relation, number in _neighbours(query.page, page.page.total_pages)
        if number <= MAX_PAGE
    )


def _neighbours(current: int, total_pages: int | None) -> Iterator[tuple[str, int]]:
    last = None if total_pages is None else max(total_pages, 1)
    if last is not None and current < last:
        yield "next", current + 1
    if current > 1:
        yield "prev", current - 1 if last is None else min(current - 1, last)
    yield "first", 1
    if last is not None:
        yield "last", last
