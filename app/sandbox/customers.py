"""The sample customers of the sandbox: who they are and what they have earned."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.sandbox.catalogue import DAY, badge_id


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody who can log in: every identifier that the identity provider knows.

    `mobile` is digits only, with the country code, as the loyalty gateway has it.
    """

    name: str
    customer_id: str
    email: str
    mobile: str
    external_id: str
    card_number: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Earning:
    """How often a badge was earned, and when last, in Unix seconds."""

    count: int
    last_earned_on: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Customer:
    """A member of the loyalty programme, as the stand-in gateway keeps him.

    `earnings` and `enrolments` are by badge id; an enrolment is the time of issue in Unix seconds.
    Both may be edited while the gateway runs.
    """

    person: Person
    earnings: dict[str, Earning] = field(default_factory=dict)
    enrolments: dict[str, float] = field(default_factory=dict)


ADA = Person(
    name="ada",
    customer_id="381921157",
    email="ada+loyalty@example.com",
    mobile="447700900123",
    external_id="web-0001",
    card_number="6013770012345678",
)
BOB = Person(
    name="bob",
    customer_id="381921158",
    email="bob@example.com",
    mobile="447700900124",
    external_id="web-0002",
    card_number="6013770012345679",
)
CHEN = Person(
    name="chen",
    customer_id="381921159",
    email="chen@example.com",
    mobile="447700900125",
    external_id="étoile 7",
    card_number="6013770012345680",
)
GHOST = Person(
    name="ghost",
    customer_id="999999999",
    email="ghost@example.com",
    mobile="447700900999",
    external_id="web-9999",
    card_number="6013770099999999",
)

_ADA_EARNED = {
    "First Purchase": (1, 200.0),
    "Early Bird": (3, 2.25),
    "Weekend Explorer": (2, 6.5),
    "Coffee Lover": (12, 0.125),
    "Five in a Row": (1, 31.0),
    "Bring a Friend": (2, 45.75),
    "Review Writer": (4, 12.0),
    "Silver Member": (1, 90.0),
    "Green Delivery": (7, 1.5),
    "Spring Collector": (1, 40.0),
    "Winter Games": (2, 130.0),
    "Launch Party": (1, 400.0),
}
_BOB_EARNED = {"First Purchase": (1, 15.0), "Coffee Lover": (1, 3.5), "Launch Party": (1, 410.0)}


def sample_people() -> tuple[Person, ...]:
    """Return everybody who can log in; the last, ghost, is unknown to the loyalty programme."""
    return ADA, BOB, CHEN, GHOST


def sample_customers(now: float) -> dict[str, Customer]:
    """Return the members of the loyalty programme by customer id; `now` is in Unix seconds."""
    customers = (
        Customer(
            person=ADA,
            earnings=_earnings(_ADA_EARNED, now),
            enrolments={
                badge_id("Coffee Lover"): now - 120 * DAY,
                badge_id("Silver Member"): now - 100 * DAY,
                badge_id("Ten Thousand Steps"): now - 4 * DAY,
                badge_id("Gold Member"): now - 20.5 * DAY,
            },
        ),
        Customer(
            person=BOB,
            earnings=_earnings(_BOB_EARNED, now),
            enrolments={badge_id("Silver Member"): now - 8 * DAY},
        ),
        Customer(person=CHEN),
    )
    return {customer.person.customer_id: customer for customer in customers}


def _earnings(earned: Mapping[str, tuple[int, float]], now: float) -> dict[str, Earning]:
    """Turn `{badge: (count, days ago)}` into earnings by badge id."""
    return {
        badge_id(name): Earning(count=count, last_earned_on=round(now - days * DAY, 3))
        for name, (count, days) in earned.items()
    }
