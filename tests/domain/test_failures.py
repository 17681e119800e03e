"""The failure table: every failure is treated, and a caller gets what the contract says."""

import pytest

from app.domain.failures import TREATMENTS, Answer, Failure, GatewayError, Treatment

ANSWERS = {
    Failure.UNREACHABLE: "gateway-unavailable",
    Failure.TIMEOUT: "gateway-timeout",
    Failure.LIMITED: "gateway-unavailable",
    Failure.TOKEN_REJECTED: "gateway-unavailable",
    Failure.CREDENTIALS_REFUSED: "gateway-unavailable",
    Failure.FORBIDDEN: "gateway-unavailable",
    Failure.CUSTOMER_UNKNOWN: "customer-not-found",
    Failure.UNEXPECTED: "gateway-bad-answer",
    Failure.SERVER_ERROR: "gateway-bad-answer",
    Failure.UNREADABLE: "gateway-bad-answer",
    Failure.WRONG_SHAPE: "gateway-bad-answer",
}


@pytest.mark.parametrize("failure", Failure)
def test_a_caller_without_stale_entry_gets_the_contracts_answer(failure: Failure) -> None:
    """Each failure ends in one of the public problems, the very one that the contract names."""
    assert TREATMENTS[failure].answer == ANSWERS[failure]


def test_the_table_has_a_row_for_each_failure() -> None:
    """A failure without treatment would be a fault of ours at the worst moment."""
    assert set(TREATMENTS) == set(Failure)


def test_only_a_rejected_token_is_renewed() -> None:
    """New tokens are for refused tokens: refused credentials would only be refused again."""
    renewing = {failure for failure, treatment in TREATMENTS.items() if treatment.renews_token}
    assert renewing == {Failure.TOKEN_REJECTED}


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
