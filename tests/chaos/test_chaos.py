"""The whole service under load while gateway, token endpoint, issuer and Redis fail at random."""

from chaos.outcome import CALLERS, describe
from chaos.run import run

SEED = 219
SECONDS = 13.5


async def test_a_short_storm() -> None:
    """Whatever fails in whatever combination, callers are kept their promises.

    Nobody sees another's badges, nobody waits past the deadline, there is no error where a stale
    entry is usable, the gateway is not stormed, nothing is left behind, and in the end all is well.
    `make soak` does the same for ten minutes, with a seed of its own.
    """
    outcome = await run(SEED, SECONDS)

    assert not outcome.book.violations, describe(outcome)
    assert outcome.book.counted["requests"] > 10 * CALLERS
    assert outcome.book.kinds["fwd=stale stale detail=stale-if-error"]
    assert outcome.book.statuses[503]
