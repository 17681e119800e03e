"""Identity: who a customer is stays out of what is printed, and identifiers are the contract's."""

import pytest

from app.domain.identity import (
    Customer,
    Identifier,
    InsufficientScopeError,
    NoCustomerIdentityError,
)


def test_the_identifiers_are_the_contracts() -> None:
    """Configuration, gateway header and metrics all use these spellings."""
    assert set(Identifier) == {"customerId", "email", "mobile", "externalId", "cardNumber"}


@pytest.mark.parametrize("show", [repr, str, "{}".format])
def test_a_customer_is_printed_without_its_value(show: object) -> None:
    """An e-mail address in a traceback or log would be a leak."""
    assert callable(show)
    text = show(Customer(Identifier.EMAIL, "jane@example.com"))
    assert "email" in text
    assert "jane" not in text


def test_customers_differ_by_identifier_and_value() -> None:
    """The customer id 42 and the card number 42 are two people."""
    customers = {
        Customer(Identifier.CUSTOMER_ID, "42"),
        Customer(Identifier.CARD_NUMBER, "42"),
        Customer(Identifier.CUSTOMER_ID, "43"),
        Customer(Identifier.CUSTOMER_ID, "42"),
    }
    assert len(customers) == 3


def test_a_lacking_scope_is_named_but_not_printed() -> None:
    """The challenge names what is asked for; the text of the error is for a log."""
    error = InsufficientScopeError("badges:read")
    assert error.scope == "badges:read"
    assert str(error) == "insufficient scope"


def test_a_lacking_identity_says_nothing_of_the_token() -> None:
    """Claims are personal: no error carries one."""
    assert str(NoCustomerIdentityError()) == ""
