"""An issuer's keys: at hand, refreshed behind, kept through an outage, not fetched in storms."""

import asyncio
import json

import pytest

from app.domain.identity import IdentityUnavailableError
from app.sandbox.identity import SigningKey, new_signing_key
from app.services.issuer_keys import (
    CHECK_EVERY,
    COOL_DOWN,
    OUTLIVES_OUTAGE,
    REVALIDATE_AFTER,
    IssuerKeys,
)
from app.services.ports import KeyDocument, KeysUnavailableError


class Documents:
    """An issuer's documents behind a cache, and how they were asked for.

    With `remembered` the cache gives out its copy unless told to revalidate; with `stored` off it
    keeps no new one. `hold` keeps an answer back that was made before.
    """

    def __init__(self, key: SigningKey) -> None:
        self.now = 1000.0
        self.keys = [key]
        self.body: bytes | None = None
        self.down = False
        self.remembered = False
        self.stored = True
        self.copy: bytes | None = None
        self.hold: asyncio.Event | None = None
        self.asked: list[bool] = []
        self.told: list[str] = []

    def clock(self) -> float:
        """Tell the time."""
        return self.now

    def keys_failed(self, issuer: str) -> None:
        """Be told of a failure, as an observer."""
        self.told.append(issuer)

    async def fetch(self, *, revalidate: bool) -> KeyDocument:
        """Hand out the document."""
        self.asked.append(revalidate)
        await asyncio.sleep(0)
        if self.down:
            raise KeysUnavailableError
        if self.remembered and not revalidate and self.copy is not None:
            return KeyDocument(self.copy, remembered=True)
        body = self.body or json.dumps({"keys": [key.public() for key in self.keys]}).encode()
        if self.stored:
            self.copy = body
        hold, self.hold = self.hold, None
        if hold is not None:
            await hold.wait()
        return KeyDocument(body, remembered=False)


@pytest.fixture
def documents(signing_key: SigningKey) -> Documents:
    """An issuer with one key."""
    return Documents(signing_key)


@pytest.fixture
def keys(documents: Documents) -> IssuerKeys:
    """The keys of that issuer."""
    return IssuerKeys(
        issuer="https://i", documents=documents, timer=documents.clock, observer=documents
    )


async def test_fetched_once_for_all(documents: Documents, keys: IssuerKeys) -> None:
    """Callers at the same time share one fetch; later ones need none."""
    sets = await asyncio.gather(*(keys.current() for _ in range(20)))

    assert len(documents.asked) == 1
    assert all(found is keys.at_hand for found in sets)
    assert await keys.current() is sets[0]
    assert len(documents.asked) == 1


async def test_checked_behind(documents: Documents, keys: IssuerKeys) -> None:
    """When a check is due nobody waits for it; the same document keeps the same keys."""
    before = await keys.current()
    documents.remembered = True
    documents.now += CHECK_EVERY

    assert await keys.current() is before
    await asyncio.sleep(0.01)

    assert documents.asked == [True, False]
    assert keys.at_hand is before


async def test_a_check_brings_new_keys(documents: Documents, keys: IssuerKeys) -> None:
    """A changed document makes new keys, so that what was verified by the old is forgotten."""
    before = await keys.current()
    documents.keys = [new_signing_key("ES256")]
    documents.now += CHECK_EVERY
    await keys.current()
    await asyncio.sleep(0.01)

    assert keys.at_hand is not before


async def test_revalidated_after_an_hour(documents: Documents, keys: IssuerKeys) -> None:
    """However long the issuer lets its document be kept, it is asked once an hour."""
    await keys.current()
    documents.remembered = True
    for _ in range(int(REVALIDATE_AFTER / CHECK_EVERY) + 1):
        documents.now += CHECK_EVERY
        await keys.current()
        await asyncio.sleep(0.001)

    assert documents.asked == [True] + [False] * 60 + [True]


async def test_an_outage_is_outlived_for_a_day(documents: Documents, keys: IssuerKeys) -> None:
    """The last good keys serve for 24 hours; then credentials can't be judged."""
    good = await keys.current()
    documents.down = True
    documents.now += OUTLIVES_OUTAGE
    assert await keys.current() is good
    await asyncio.sleep(0.01)

    documents.now += 1
    with pytest.raises(IdentityUnavailableError):
        await keys.current()
    assert keys.at_hand is None
    assert set(documents.told) == {"https://i"}


@pytest.mark.parametrize(
    "body", [b"<html>", b"{}", b'{"keys": 1}', b'{"keys": []}', b'{"keys": [1]}']
)
async def test_a_broken_document_replaces_nothing(
    documents: Documents, keys: IssuerKeys, body: bytes
) -> None:
    """A document without a usable key is an outage: the good keys stay."""
    good = await keys.current()
    documents.body = body

    with pytest.raises(IdentityUnavailableError):
        await keys.renewed()

    assert keys.at_hand is good


async def test_a_storm_of_unknown_keys_costs_one_fetch(
    documents: Documents, keys: IssuerKeys
) -> None:
    """Within a cool-down an unknown key id causes one fetch, whether it fails or not."""
    await keys.current()

    for down in (False, True):
        documents.down = down
        documents.now += COOL_DOWN
        documents.asked.clear()
        await asyncio.gather(*(keys.renewed() for _ in range(50)), return_exceptions=True)
        with pytest.raises(IdentityUnavailableError) as refusal:
            await keys.renewed()
        assert documents.asked == [True]
        assert refusal.value.retry_after == COOL_DOWN


async def test_without_keys_it_is_tried_again_soon(documents: Documents, keys: IssuerKeys) -> None:
    """An issuer that is down at the start is asked again after a second, not on every request."""
    documents.down = True
    for _ in range(3):
        with pytest.raises(IdentityUnavailableError):
            await keys.current()
    assert len(documents.asked) == 1

    documents.down = False
    documents.now += 1
    await keys.current()


async def test_an_unknown_key_id_never_settles_for_a_copy(
    documents: Documents, keys: IssuerKeys
) -> None:
    """A renewal that meets a check under way does not join it: that may bring a remembered copy."""
    await keys.current()
    documents.remembered = True
    documents.now += CHECK_EVERY
    await keys.current()
    documents.keys = [new_signing_key("ES256"), *documents.keys]

    renewed = await keys.renewed()

    assert len(renewed.keys) == 2
    assert documents.asked == [True, False, True]


async def test_a_set_in_hand_gives_no_way_to_an_older_copy(
    documents: Documents, keys: IssuerKeys
) -> None:
    """A remembered copy that differs is not believed: the issuer is asked which of them holds."""
    await keys.current()
    documents.stored, documents.remembered = False, True
    documents.keys = [new_signing_key("ES256")]
    newer = await keys.renewed()

    documents.now += CHECK_EVERY
    await keys.current()
    await asyncio.sleep(0.01)

    assert keys.at_hand is newer
    assert documents.asked == [True, True, False, True]


async def test_a_late_check_gives_way_to_a_renewal(documents: Documents, keys: IssuerKeys) -> None:
    """A check that began before a renewal and ends after it does not bring the old set back."""
    await keys.current()
    hold = documents.hold = asyncio.Event()
    documents.now += CHECK_EVERY
    await keys.current()
    await asyncio.sleep(0.01)
    documents.keys = [new_signing_key("ES256")]
    newer = await keys.renewed()

    hold.set()
    await asyncio.sleep(0.01)

    assert keys.at_hand is newer


async def test_a_storm_of_unknown_keys_at_the_start(documents: Documents, keys: IssuerKeys) -> None:
    """Those who waited for the first set and then miss their key share one cool-down, too."""

    async def look() -> None:
        await keys.current()
        await keys.renewed()

    await asyncio.gather(*(look() for _ in range(50)), return_exceptions=True)
    with pytest.raises(IdentityUnavailableError):
        await keys.renewed()

    assert len(documents.asked) == 2


async def test_missing_keys_do_not_wait_for_a_stranger(
    documents: Documents, keys: IssuerKeys
) -> None:
    """The cool-down of an unknown key id does not hold up the first keys."""
    documents.down = True
    with pytest.raises(IdentityUnavailableError):
        await keys.renewed()

    documents.down = False
    assert (await keys.current()).keys


async def test_strangers_do_not_take_all_the_room(documents: Documents, keys: IssuerKeys) -> None:
    """While the issuer is slow, only so many wait; the others are told at once."""
    await keys.current()
    documents.now += COOL_DOWN
    documents.hold = slow = asyncio.Event()
    waiting = [asyncio.create_task(keys.renewed()) for _ in range(100)]
    await asyncio.sleep(0.01)

    refused = [task for task in waiting if task.done()]
    slow.set()
    await asyncio.gather(*waiting, return_exceptions=True)

    assert len(refused) == 36
    assert all(isinstance(task.exception(), IdentityUnavailableError) for task in refused)
    assert not any(task.exception() for task in waiting if task not in refused)
