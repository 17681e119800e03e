"""The customers of the benchmark: each with a record at the gateway and a token of his own."""

import time
from dataclasses import dataclass

from app.sandbox.catalogue import RawBadge
from app.sandbox.customers import Customer, Earning, Person
from app.sandbox.identity import StandInIssuer, new_signing_key

_FIRST_ID = 400_000_000
# Longer than any run.
_LIFETIME = 4 * 3600


@dataclass(frozen=True, slots=True)
class Caller:
    """A customer with the token of his app."""

    customer_id: str
    token: str


def people(count: int) -> tuple[Person, ...]:
    """Return so many different people."""
    return tuple(_person(number) for number in range(count))


def _person(number: int) -> Person:
    return Person(
        name=f"customer{number}",
        customer_id=str(_FIRST_ID + number),
        email=f"customer{number}@example.com",
        mobile=str(447_700_000_000 + number),
        external_id=f"web-{number}",
        card_number=str(6_013_770_000_000_000 + number),
    )


def customers(
    everybody: tuple[Person, ...], badges: list[RawBadge], now: float
) -> dict[str, Customer]:
    """Return everybody's record; no two have earned the same, so no two answers are the same."""
    return {
        person.customer_id: Customer(person=person, earnings=_earnings(badges, number, now))
        for number, person in enumerate(everybody)
    }


def _earnings(badges: list[RawBadge], number: int, now: float) -> dict[str, Earning]:
    moment = round(now - 3600 - 61.7 * number, 3)
    return {
        str(badge["badgeMetaId"]): Earning(count=1 + number % 7, last_earned_on=moment)
        for badge in badges[number % 3 :: 3]
    }


def callers(issuer: StandInIssuer) -> list[Caller]:
    """Return everybody whom the issuer knows, with a token each."""
    expires = int(time.time()) + _LIFETIME
    return [
        Caller(person.customer_id, issuer.token(person.name, exp=expires))
        for person in issuer.people
    ]


def refused(issuer: StandInIssuer) -> dict[str, str]:
    """Return tokens that no server may accept, by what is wrong with them."""
    name = issuer.people[0].name
    claims = issuer.claims(name)
    known = issuer.keys[0]
    forged = new_signing_key(issuer.algorithm)
    return {
        "signature": issuer.sign(claims, key=forged, headers={"kid": known.key_id}),
        "issuer": issuer.token(name, iss="https://elsewhere.example"),
        "audience": issuer.token(name, aud="elsewhere"),
        "expiry": issuer.token(name, exp=int(time.time()) - 600),
        "absence of an expiry": issuer.token(name, exp=None),
    }
