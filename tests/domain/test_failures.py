"""The failure table: every failure is treated, and a caller gets what the contract says."""

import pytest

from app.domain.failures import (
    TREATMENTS,
    Answer,
    Failure,
    GatewayError,
    Remembered,
    Retry,
    Treatment,
)

NO, ONCE, YES, REPLAY = Retry.NO, Retry.ONCE, Retry.YES, Retry.REPLAY
NOT, ENTRY, MISSING = Remembered.NO, Remembered.ENTRY, Remembered.MISSING
PROCESS, FLEET = Remembered.PROCESS, Remembered.FLEET

DESIGN = {
    Failure.UNREACHABLE: (YES, True, ENTRY, "gateway-unavailable"),
    Failure.TIMEOUT: (NO, True, ENTRY, "gateway-timeout"),
    Failure.LIMITED: (NO, False, FLEET, "gateway-unavailable"),
    Failure.TOKEN_REJECTED: (REPLAY, False, NOT, "gateway-unavailable"),
    Failure.CREDENTIALS_REFUSED: (NO, False, PROCESS, "gateway-unavailable"),
    Failure.FORBIDDEN: (NO, False, PROCESS, "gateway-unavailable"),
    Failure.CUSTOMER_UNKNOWN: (NO, False, MISSING, "customer-not-found"),
    Failure.UNEXPECTED: (NO, False, ENTRY, "gateway-bad-answer"),
    Failure.SERVER_ERROR: (ONCE, True, ENTRY, "gateway-bad-answer"),
    Failure.UNREADABLE: (ONCE, True, ENTRY, "gateway-bad-answer"),
    Failure.WRONG_SHAPE: (NO, False, ENTRY, "gateway-bad-answer"),
    Failure.CIRCUIT_OPEN: (NO, False, NOT, "gateway-unavailable"),
    Failure.OVERLOADED: (NO, False, NOT, "overloaded"),
}


@pytest.mark.parametrize("failure", Failure)
def test_each_failure_is_treated_as_was_decided(failure: Failure) -> None:
    """Retried or not, counted or not, remembered where, and answered by which public problem."""
    row = TREATMENTS[failure]
    assert (row.retry, row.circuit, row.remembered, row.answer) == DESIGN[failure]


def test_the_table_has_a_row_for_each_failure() -> None:
    """A failure without treatment would be a fault of ours at the worst moment."""
    assert set(TREATMENTS) == set(Failure)


def test_each_row_says_when_it_applies() -> None:
    """The documentation is made of the table, so no row is silent and no two say the same."""
    descriptions = [treatment.when for treatment in TREATMENTS.values()]
    assert all(descriptions)
    assert len(set(descriptions)) == len(descriptions)


def test_the_table_is_not_to_be_changed() -> None:
    """A table that one caller could change would be a global variable."""
    replacement = Treatment(when="never", answer=Answer.TIMEOUT)
    with pytest.raises(TypeError):
        TREATMENTS[Failure.TIMEOUT] = replacement  # type: ignore[index]


def test_an_error_carries_its_treatment_and_what_the_gateway_asked_for() -> None:
    """The failure decides; the pause and the request id come along for whoever needs them."""
    error = GatewayError(Failure.LIMITED, retry_after=12.0, request_id="abc")
    assert error.treatment is TREATMENTS[Failure.LIMITED]
    assert (error.retry_after, error.request_id) == (12.0, "abc")


def test_an_errors_text_is_ours_alone() -> None:
    """What is printed of an error is the failure's name: nothing of the gateway's."""
    assert str(GatewayError(Failure.FORBIDDEN, request_id="abc")) == "forbidden"
