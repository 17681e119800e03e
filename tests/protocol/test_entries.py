"""Cache entries: names that say nothing, and seals that open for one customer and query alone."""

import os
import re
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.domain.identity import Customer, Identifier
from app.protocol.entries import STAMP_BYTES, BrokenSealError, Entry, EntryKey, EntryKeys

OLD, NEW = b"old secret of thirty-two bytes ..", b"new secret of thirty-two bytes .."
JANE = Customer(Identifier.EMAIL, "Jane@Example.com")
QUERY = "page=1&size=10"
ENTRY = Entry(
    fetched_at=1_795_000_000.25,
    epoch=bytes(range(32)),
    body=b"\x1f\x8b body",
    digest="digest",
    link='<?page=1&size=10>; rel="first"',
    turns_at=1_795_000_300.0,
)
UNKNOWN = Entry(fetched_at=1_795_000_000.25, epoch=bytes(range(32)), body=None)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)
CUSTOMERS = st.builds(Customer, st.sampled_from(Identifier), TEXTS)


def keys(
    *secrets: bytes,
    namespace: str = "badges",
    name_secret: bytes = b"name secret",
    scope: tuple[str, ...] = ("https://eu.api.example", "TILL", "till1"),
) -> EntryKeys:
    """Make the keys of a deployment."""
    return EntryKeys(
        namespace=namespace, name_secret=name_secret, secrets=secrets or (OLD,), scope=scope
    )


def place(**deployment: Any) -> EntryKey:
    """Make the key of the same customer and query in one deployment or another."""
    return keys(**deployment).key(JANE, QUERY)


def opens(key: EntryKey, sealed: bytes) -> bool:
    """Whether a key opens what was sealed."""
    try:
        return key.open(sealed) == ENTRY
    except BrokenSealError:
        return False


@pytest.mark.parametrize("entry", [ENTRY, UNKNOWN, Entry(0.0, b"", b"")])
def test_what_is_sealed_opens(entry: Entry) -> None:
    """Under the key that sealed it, and under one that is made anew elsewhere in the fleet."""
    assert place().open(place().seal(entry)) == entry


def test_an_entry_without_a_body_is_a_missing_customer() -> None:
    """An empty body would be a body."""
    assert UNKNOWN.missing
    assert not Entry(1.0, b"", b"").missing


def test_an_entry_says_what_freshness_asks() -> None:
    """When it was fetched, when its badges turn, and whether there is a customer at all."""
    assert [(each.fetched_at, each.turns_at, each.missing) for each in (ENTRY, UNKNOWN)] == [
        (1_795_000_000.25, 1_795_000_300.0, False),
        (1_795_000_000.25, None, True),
    ]


def test_a_seal_hides_what_it_holds_and_is_never_the_same() -> None:
    """The store learns nothing, not even that an entry has not changed."""
    first, second = place().seal(ENTRY), place().seal(ENTRY)
    hidden = (b"body", b"digest", b"first", ENTRY.epoch)
    assert not any(content in first for content in hidden)
    in_clear = STAMP_BYTES
    assert first[in_clear : in_clear + 12] != second[in_clear : in_clear + 12]
    assert first[in_clear + 12 :] != second[in_clear + 12 :]


@pytest.mark.parametrize(
    ("earlier", "later"), [(0.0, 0.5), (9.0, 10.0), (1_795_000_000.25, 1_795_000_000.250_01)]
)
def test_the_store_can_tell_the_newer_of_two(earlier: float, later: float) -> None:
    """The time of the fetch stands in front, in digits that compare as bytes."""
    first, second = (
        place().seal(Entry(fetched_at, b"", b""))[:STAMP_BYTES] for fetched_at in (earlier, later)
    )
    assert first < second
    assert first.isdigit()
    assert second.isdigit()
    assert len(first) == len(second) == STAMP_BYTES


def test_a_time_before_1970_stamps_like_1970() -> None:
    """A clock that far off must not break the form of the stamp."""
    assert place().seal(Entry(-1.0, b"", b""))[:STAMP_BYTES] == b"0" * STAMP_BYTES


def test_a_stamp_is_sealed_too() -> None:
    """Who can write into the store can't make an old entry look new."""
    sealed = place().seal(ENTRY)
    assert not opens(place(), b"9" * STAMP_BYTES + sealed[STAMP_BYTES:])


@settings(max_examples=80, deadline=None)
@given(one=CUSTOMERS, other=CUSTOMERS, query=TEXTS, other_query=TEXTS)
def test_no_two_customers_or_queries_share_an_entry(
    one: Customer, other: Customer, query: str, other_query: str
) -> None:
    """Neither its name nor what opens it."""
    assume((one, query) != (other, other_query))
    mine, theirs = keys().key(one, query), keys().key(other, other_query)
    assert mine.name != theirs.name
    assert mine.seals != theirs.seals
    assert not opens(theirs, mine.seal(ENTRY))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ab", "c"), ("a", "bc")),
        (("", "x"), ("x", "")),
        (("\x00\x00\x00\x01a", ""), ("", "\x00\x00\x00\x01a")),
    ],
)
def test_value_and_query_never_run_into_each_other(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    """The end of the one can't pass for the beginning of the other."""
    first, second = (
        keys().key(Customer(Identifier.EXTERNAL_ID, value), query) for value, query in (one, other)
    )
    assert first.name != second.name
    assert not opens(second, first.seal(ENTRY))


@pytest.mark.parametrize(
    "stranger",
    [
        {"namespace": "badges-staging"},
        {"scope": ("https://ap.api.example", "TILL", "till1")},
        {"scope": ("https://eu.api.example", "TILL", "till2")},
        {"scope": ("https://eu.api.example", "TILLtill1", "")},
        {"scope": ("https://eu.api.example", "TILL")},
        {"scope": ()},
    ],
)
def test_deployments_are_strangers(stranger: dict[str, Any]) -> None:
    """Two brands or stages with the same secrets in one Redis never meet."""
    assert place(**stranger).name != place().name
    assert place(**stranger).seals != place().seals
    assert not opens(place(**stranger), place().seal(ENTRY))
    assert keys(**stranger).pseudonym(JANE) != keys().pseudonym(JANE)


@settings(max_examples=60, deadline=None)
@given(one=st.lists(TEXTS, max_size=3).map(tuple), other=st.lists(TEXTS, max_size=3).map(tuple))
def test_no_two_scopes_are_the_same(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    """However a gateway's address and attribution are cut."""
    assert (place(scope=one).name == place(scope=other).name) == (one == other)
    assert (place(scope=one).seals == place(scope=other).seals) == (one == other)


def test_another_name_secret_names_otherwise() -> None:
    """Names are guesses for nobody who lacks the secret; the seals do not depend on it."""
    assert place(name_secret=b"another").name != place().name
    assert place(name_secret=b"another").seals == place().seals


def test_a_seal_is_a_key_of_its_own() -> None:
    """256 bits, and none of the secrets themselves."""
    key = keys(OLD, NEW).key(JANE, QUERY)
    assert [len(seal) for seal in key.seals] == [32, 32]
    assert len({OLD, NEW, *key.seals}) == 4


def test_names_say_nothing_of_the_customer() -> None:
    """The namespace and two digests of 144 bits."""
    assert re.fullmatch(r"badges:\{[\w-]{24}\}:[\w-]{24}", place().name)
    assert "jane" not in place().name.lower()


def test_entries_and_epoch_share_the_slot_of_their_customer() -> None:
    """One round trip reads both: a Redis Cluster hashes what stands in the braces."""
    slot = f"{{{keys().pseudonym(JANE)}}}"
    other_page = keys().key(JANE, "page=2&size=10")
    assert place().epoch_name == other_page.epoch_name == keys().epoch_name(JANE)
    assert all(slot in name for name in (place().name, other_page.name, place().epoch_name))
    assert len({place().name, other_page.name, place().epoch_name}) == 3


def test_an_emails_case_is_folded_in_its_slot_alone() -> None:
    """An event may spell it otherwise and reaches the slot; entries are the exact value's."""
    spelt_otherwise = Customer(Identifier.EMAIL, "jane@example.COM")
    assert keys().pseudonym(JANE) == keys().pseudonym(spelt_otherwise)
    assert keys().epoch_name(JANE) == keys().epoch_name(spelt_otherwise)
    mine, theirs = place(), keys().key(spelt_otherwise, QUERY)
    assert mine.name != theirs.name
    assert not opens(theirs, mine.seal(ENTRY))


@pytest.mark.parametrize(
    "identifier", [each for each in Identifier if each is not Identifier.EMAIL]
)
def test_no_other_identifier_is_folded(identifier: Identifier) -> None:
    """Ids and card numbers may differ by case alone."""
    names = {keys().pseudonym(Customer(identifier, value)) for value in ("ABC", "abc")}
    assert len(names) == 2


def test_a_pseudonym_is_of_identifier_and_value() -> None:
    """The customer id 42 and the card number 42 are two slots."""
    names = {keys().pseudonym(Customer(identifier, "42")) for identifier in Identifier}
    assert len(names) == len(Identifier)


@pytest.mark.parametrize(
    ("sealing", "opening", "expected"),
    [
        ((OLD,), (OLD, NEW), True),
        ((OLD, NEW), (OLD,), True),
        ((OLD, NEW), (NEW, OLD), True),
        ((NEW, OLD), (OLD, NEW), True),
        ((NEW, OLD), (NEW,), True),
        ((NEW,), (NEW, OLD), True),
        ((OLD, NEW), (NEW,), False),
        ((OLD,), (NEW,), False),
    ],
)
def test_secrets_roll_without_a_cold_cache(
    sealing: tuple[bytes, ...], opening: tuple[bytes, ...], *, expected: bool
) -> None:
    """[old], [old, new], [new, old], [new]: neighbours in a rollout read each other's entries."""
    sealed = keys(*sealing).key(JANE, QUERY).seal(ENTRY)
    assert opens(keys(*opening).key(JANE, QUERY), sealed) is expected


def test_rolling_secrets_moves_no_entry() -> None:
    """Names depend on the name secret alone."""
    names = {keys(*secrets).key(JANE, QUERY).name for secrets in [(OLD,), (OLD, NEW), (NEW,)]}
    assert len(names) == 1


def test_any_change_breaks_the_seal() -> None:
    """One bit, anywhere: stamp, nonce, content or tag."""
    sealed = place().seal(ENTRY)
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        assert not opens(place(), bytes(changed))


def test_a_cut_or_longer_content_breaks_the_seal() -> None:
    """At whatever length it was cut."""
    sealed = place().seal(ENTRY)
    assert not any(opens(place(), sealed[:length]) for length in range(len(sealed)))
    assert not opens(place(), sealed + b"\x00")


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=80))
def test_whatever_the_store_returns_opens_or_is_broken(sealed: bytes) -> None:
    """A planted or mixed-up value raises `BrokenSealError` and nothing else."""
    with pytest.raises(BrokenSealError):
        place().open(sealed)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode([]),
        msgspec.msgpack.encode(["yesterday", b"", None]),
        msgspec.msgpack.encode([1.0, b"epoch"]),
        msgspec.msgpack.encode({"fetched_at": 1.0, "epoch": b"", "body": None}),
        msgspec.msgpack.encode([1.0, b"epoch", b"body", 7, ""]),
        msgspec.msgpack.encode(ENTRY) + b"\x00",
    ],
)
def test_a_seal_around_something_else_is_broken(content: bytes) -> None:
    """What another version of ours may have sealed is a miss, not a fault."""
    stamp, nonce = b"0" * STAMP_BYTES, os.urandom(12)
    sealed = stamp + nonce + AESGCM(place().seals[0]).encrypt(nonce, content, stamp)
    with_entry = AESGCM(place().seals[0]).encrypt(nonce, msgspec.msgpack.encode(ENTRY), stamp)
    assert opens(place(), stamp + nonce + with_entry)
    with pytest.raises(BrokenSealError):
        place().open(sealed)
