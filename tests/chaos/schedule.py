"""Which faults are on when: random, but the same for the same seed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from random import Random

SHORTEST, LONGEST = 0.3, 3.0
"""How long a fault lasts, in seconds."""

KEY_COOL_DOWN = 10.0
"""For how long the service may say that it can't judge a new key id, once it failed to find it."""

# The longest pause of the gateway's circuit breaker, and the flight that ends it; in a run that is
# too short for pauses to grow so long, this share of it.
_RECOVERY = 12.0
_RECOVERY_SHARE = 0.4
_CALM = 1.5
# Runs shorter than this have their faults closer together.
_UNHURRIED = 30.0
_REVOKE_EVERY = 4.0
_ROTATE_EVERY = 20.0
_HANGS_FOR = 2.3

_KINDS: Mapping[str, Sequence[str]] = {
    "gateway": (
        *("hang", "reset", "error", "unavailable", "limited", "garbage", "slow", "refused"),
    ),
    "token": ("hang", "error", "refused"),
    "keys": ("hang", "error", "garbage", "refused"),
    "redis": ("frozen", "restarted", "read-only", "full", "slow"),
}
_STREAMS = (("gateway", 4.0), ("gateway", 8.0), ("token", 8.0), ("keys", 6.0), ("redis", 4.0))
"""Independent sequences of faults, with the mean time between two, in seconds.

The gateway has two, so that its faults overlap as well. Those of Redis exclude each other.
"""


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """Something that happens, in seconds since the start; a rotation takes no time."""

    at: float
    party: str
    kind: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A run: its events in order, until when they are all over, and when all has to be well."""

    events: Sequence[Event]
    healed_at: float
    calm_from: float
    seconds: float


def schedule(seed: int, seconds: float) -> Schedule:
    """Make the schedule of a run of so many seconds.

    It opens with a new key that the issuer publishes, but does not give out for longer than the
    service may keep a caller waiting.
    """
    rng = Random(seed)  # noqa: S311 - chaos, not cryptography
    calm_from = seconds - _CALM
    healed_at = calm_from - min(_RECOVERY, _RECOVERY_SHARE * seconds)
    hurry = min(1.0, seconds / _UNHURRIED)
    faults = (_faults(rng, party, pause * hurry, healed_at) for party, pause in _STREAMS)
    opening = (Event(0.2, "keys", "hang", _HANGS_FOR), Event(0.3, "issuer", "rotated"))
    events = chain(opening, *faults, _revocations(healed_at), _rotations(calm_from))
    return Schedule(
        events=sorted(events), healed_at=healed_at, calm_from=calm_from, seconds=seconds
    )


def _faults(rng: Random, party: str, pause: float, until: float) -> Iterator[Event]:
    at = rng.expovariate(1 / pause)
    if party == "keys":
        at += _HANGS_FOR
    while True:
        lasting = rng.uniform(SHORTEST, LONGEST)
        if at + lasting > until:
            return
        yield Event(at, party, rng.choice(_KINDS[party]), lasting)
        at += lasting + rng.expovariate(1 / pause)


def _revocations(until: float) -> Iterator[Event]:
    """Revoke all tokens now and then, never twice within one flight.

    Two refusals in a row are wrong credentials to the service, which pauses it by design.
    """
    at = _REVOKE_EVERY / 2
    while at < until:
        yield Event(at, "gateway", "revoked")
        at += _REVOKE_EVERY


def _rotations(calm_from: float) -> Iterator[Event]:
    """Rotate the issuer's keys; who then fails to find the new one has time to cool down."""
    at = _ROTATE_EVERY
    while at + LONGEST + KEY_COOL_DOWN < calm_from:
        yield Event(at, "issuer", "rotated")
        at += _ROTATE_EVERY
