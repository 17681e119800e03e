"""Who calls in the chaos run, what they ask, and how each answer is known to be theirs.

Every customer has earned one badge, each a different number of times: the count tells whose answer
it is, and the size of the page which question it answers.
"""

import json
from collections.abc import Sequence

from app.sandbox.catalogue import RawBadge, sample_badges
from app.sandbox.customers import Customer, Earning, Person

CUSTOMERS = 200
_FIRST_COUNT = 1000
_QUERIES = (("", 10), ("?view=earned&size=20", 20), ("?size=30&sort=updatedAt", 30))
QUERIES: Sequence[str] = [query for query, _ in _QUERIES]
"""What is asked for; each customer asks all of them."""


def badges(now: float) -> list[RawBadge]:
    """Return the badges of the stand-in gateway; the first is the one that all have earned."""
    live = [
        badge for badge in sample_badges(now, "https://x.test") if badge["badgeStatus"] == "LIVE"
    ]
    issued = next(badge for badge in live if badge["badgeType"] == "ISSUE_EARN")
    return [issued, *(badge for badge in live if badge["badgeType"] != "ISSUE_EARN")]


def people() -> tuple[Person, ...]:
    """Return everybody who calls; the name is the number."""
    return tuple(
        Person(
            name=str(number),
            customer_id=f"{500_000_000 + number}",
            email=f"{number}@example.com",
            mobile=f"4477{number:08}",
            external_id=f"web-{number}",
            card_number=f"{6_000_000_000_000_000 + number}",
        )
        for number in range(CUSTOMERS)
    )


def customers(now: float, badge_id: str) -> dict[str, Customer]:
    """Return the members of the loyalty programme by customer id."""
    return {
        person.customer_id: Customer(
            person=person,
            earnings={
                badge_id: Earning(
                    count=_FIRST_COUNT + int(person.name), last_earned_on=round(now - 86_400, 3)
                )
            },
        )
        for person in people()
    }


def what_is_wrong(body: bytes, customer: int, query: int) -> str:
    """Say what is wrong with the body of a 200 for this customer and query; "" if nothing is."""
    try:
        answer = json.loads(body)
        counts = [badge["earnCount"] for badge in answer["badges"] if badge["earned"]]
        size = answer["page"]["size"]
    except (ValueError, LookupError, TypeError):
        return "unreadable"
    if counts != [_FIRST_COUNT + customer]:
        return f"another customer's: {counts}"
    return "" if size == _QUERIES[query][1] else f"another query's: {size}"
