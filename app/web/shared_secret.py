"""Secrets that a caller shares with us: the webhook's and the admin port's."""

import hmac
from collections.abc import Sequence

from app.domain.identity import InvalidCredentialError, MissingCredentialError


def check_shared_secret(given: Sequence[str], secrets: Sequence[str]) -> None:
    """Compare the values of a header with every secret, in constant time.

    Raises:
        MissingCredentialError: there is no such header.
        InvalidCredentialError: there are several, or it holds none of the secrets.

    """
    if not given:
        raise MissingCredentialError
    shown = given[0].encode("utf-8", "surrogateescape")
    equal = [hmac.compare_digest(shown, secret.encode()) for secret in secrets]
    if len(given) > 1 or not any(equal):
        raise InvalidCredentialError("shared secret")
