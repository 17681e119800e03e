"""What an entry costs in the store."""

import json
import secrets
import time

from app.domain.identity import Customer, Identifier
from app.domain.query import BadgesQuery
from app.protocol.content import compress, digest, encode, link_header
from app.protocol.entries import Entry, EntryKeys
from app.protocol.gateway import RawAnswer, interpret
from app.sandbox.catalogue import sample_badges


def test_an_entry_takes_a_third_of_the_answer_at_most() -> None:
    """A sealed page of ten badges takes at most 30 % of the bytes of the gateway's answer."""
    badges = sample_badges(time.time(), "https://storage.example/badges/images")[:10]
    raw = {
        "data": {"customerBadges": badges, "pagination": {"total": 36}},
        "errors": [],
        "warnings": [],
    }
    body = json.dumps(raw).encode()
    query = BadgesQuery()
    page = interpret(RawAnswer(status=200, headers={}, body=body), query, now=0).page
    public = encode(page)
    keys = EntryKeys(namespace="n", name_secret=b"n" * 32, secrets=(b"s" * 32,), scope=())
    key = keys.key(Customer(Identifier.CUSTOMER_ID, "1"), "page=1&size=10")
    epoch = secrets.token_bytes(32)
    entry = Entry(0.0, epoch, compress(public), digest(public), link_header(page, query))

    assert len(key.seal(entry)) <= 0.3 * len(body), (len(key.seal(entry)), len(body))
