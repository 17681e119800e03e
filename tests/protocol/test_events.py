"""The gateway's events: which customers an event is about."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.identity import Customer, Identifier
from app.protocol.events import Event, MalformedEventError, read_event

IDENTIFIERS = {
    "customerId": 381921157,
    "instore": {"mobile": "+447700900123", "email": "Ada@example.com", "externalId": "web-1"},
}
ADA = {
    Customer(Identifier.CUSTOMER_ID, "381921157"),
    Customer(Identifier.MOBILE, "447700900123"),
    Customer(Identifier.EMAIL, "Ada@example.com"),
    Customer(Identifier.EXTERNAL_ID, "web-1"),
}
DATA = {
    "customerIdentifiers": IDENTIFIERS,
    "badgeId": "b",
    "earnId": "e",
    "earnedOn": 1696315322450,
}


def event(document: object) -> Event:
    """Read an event that is given as a document."""
    return read_event(json.dumps(document).encode())


@pytest.mark.parametrize(
    "document",
    [
        {"eventName": "badgeEarned", "eventId": "1", "orgId": 50933, "data": DATA},
        {"eventId": "1", "eventType": "50933_badgeEarned", "attributes": {"data": DATA}},
        {"eventName": "customerUpdated", "data": IDENTIFIERS},
    ],
)
def test_every_identifier_of_both_envelopes(document: object) -> None:
    """Whatever the envelope, all identifiers count, in the form in which callers have them."""
    found = event(document)
    assert found.concerns_us
    assert set(found.customers) == ADA


def test_a_merge_names_two_customers() -> None:
    """Both sides of a merge are affected, whatever their keys are called."""
    found = event(
        {
            "eventName": "loyaltyCustomerMerge",
            "data": {"fromCustomerId": 1, "to": {"customerId": 2}},
        }
    )
    assert set(found.customers) == {
        Customer(Identifier.CUSTOMER_ID, "1"),
        Customer(Identifier.CUSTOMER_ID, "2"),
    }


def test_lists_of_identifiers_count() -> None:
    """A customer may have several numbers."""
    found = event({"eventName": "customerUpdated", "data": {"mobile": ["1", "+2", None, True]}})
    assert [customer.value for customer in found.customers] == ["1", "2"]


@pytest.mark.parametrize("name", ["transactionAdd", "7_pointsExpired", "badge"])
def test_other_events_are_not_for_us(name: str) -> None:
    """What can't change badges invalidates nothing."""
    assert event({"eventName": name, "data": DATA}) == Event(concerns_us=False, customers=())


def test_an_event_may_carry_no_identifier() -> None:
    """That is no fault of its form."""
    assert event({"eventName": "badgeEarned", "data": {}}) == Event(concerns_us=True, customers=())


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"{}", b'{"eventName": 1}', b'{"eventName": ""}', b"\xff"]
)
def test_what_is_no_event_is_malformed(body: bytes) -> None:
    """Not JSON, or without the name of an event."""
    with pytest.raises(MalformedEventError):
        read_event(body)


def test_an_event_without_end_is_bounded() -> None:
    """Neither depth nor number of identifiers is unlimited."""
    deep: Any = {"customerId": 1}
    for _ in range(100):
        deep = {"x": deep}
    assert event({"eventName": "badgeEarned", "data": deep}).customers == ()
    many = {"customerId": list(range(1000))}
    assert len(event({"eventName": "badgeEarned", "data": many}).customers) == 64


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["email", "customerId", "x"]), inner)
        ),
    )
)
def test_any_data_is_read(data: object) -> None:
    """Whatever an event carries, reading it raises nothing."""
    for customer in event({"eventName": "badgeEarned", "data": data}).customers:
        assert customer.value
