"""Who is asking: a customer of the loyalty programme, known by one verified identifier."""

from enum import StrEnum

from msgspec import Struct


class Identifier(StrEnum):
    """The identifiers that the loyalty programme knows customers by."""

    CUSTOMER_ID = "customerId"
    EMAIL = "email"
    MOBILE = "mobile"
    EXTERNAL_ID = "externalId"
    CARD_NUMBER = "cardNumber"


class Customer(Struct, frozen=True, cache_hash=True):
    """A customer by one identifier. The value is personal: it stays out of every repr and log."""

    identifier: Identifier
    value: str

    def __repr__(self) -> str:
        """Say which identifier it is, and not whose."""
        return f"Customer({self.identifier})"


class MissingCredentialError(Exception):
    """No credential was given, or one of a scheme other than Bearer."""


class InvalidCredentialError(Exception):
    """A credential was given and failed. The reason is for tests, never for a caller or a log."""


class InsufficientScopeError(Exception):
    """The credential is good, but lacks a scope that is asked for."""

    def __init__(self, scope: str) -> None:
        super().__init__("insufficient scope")
        self.scope = scope


class NoCustomerIdentityError(Exception):
    """The credential is good, but no claim of it names a customer in a usable way."""


class IdentityUnavailableError(Exception):
    """A credential can't be judged now: there are no usable keys. Nobody is to be logged out."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("no usable keys")
        self.retry_after = retry_after
