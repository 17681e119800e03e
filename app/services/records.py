"""What is known of a request when it has been answered: what is logged of it, and counted."""

from datetime import datetime

from msgspec import UNSET, Struct, UnsetType


class RequestRecord(Struct, kw_only=True, tag_field="event", tag="request"):
    """A request and its answer. Its fields are the keys of the log line; what is unset is left out.

    `route` is the route's pattern, "-" if there was none: paths hold whatever callers put there.
    Durations and `age` are in seconds. `customer` is a pseudonym; `client`, an address, stands only
    where no customer does, so that a line never says who was where.
    """

    level: str
    method: str
    route: str
    request_id: str
    trace_id: str | UnsetType = UNSET
    status: int = 0
    duration: float = 0.0
    identity_duration: float | UnsetType = UNSET
    cache_duration: float | UnsetType = UNSET
    gateway_duration: float | UnsetType = UNSET
    customer: str | UnsetType = UNSET
    cache: str | UnsetType = UNSET
    age: float | UnsetType = UNSET
    stale_reason: str | UnsetType = UNSET
    gateway_request_id: str | UnsetType = UNSET
    problem: str | UnsetType = UNSET
    webhook: str | UnsetType = UNSET
    customers: int | UnsetType = UNSET
    client: str | UnsetType | None = UNSET
    client_scheme: str | UnsetType | None = UNSET
    timestamp: datetime | UnsetType = UNSET
