"""A stand-in identity provider: discovery, key set and tokens for the sample customers."""

import time
import uuid
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, KeyParameters, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from app.sandbox.behaviour import Behaviour, consult
from app.sandbox.customers import Person, sample_people

Key = RSAKey | ECKey | OKPKey | OctKey
"""A key that can sign; an octet key is for tests of what must be refused."""

LIFETIME = 3600
"""Seconds for which a token is valid."""

_CACHEABLE = {"Cache-Control": "public, max-age=300"}


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningKey:
    """A private key and the algorithm that it is published for."""

    key: Key
    algorithm: str

    @property
    def key_id(self) -> str:
        """The `kid` of the key."""
        return str(self.key.kid)

    def public(self) -> dict[str, Any]:
        """Return the public half as the key set shows it."""
        published = self.key.as_dict(private=False)
        return {**published, "use": "sig", "alg": self.algorithm}


def new_signing_key(algorithm: str) -> SigningKey:
    """Make a key for RS256, PS256, ES256 or EdDSA (Ed25519).

    Raises ValueError for any other algorithm.
    """
    named: KeyParameters = {"kid": uuid.uuid4().hex}
    match algorithm:
        case "RS256" | "PS256":
            key: Key = RSAKey.generate_key(2048, named)
        case "ES256":
            key = ECKey.generate_key("P-256", named)
        case "EdDSA":
            key = OKPKey.generate_key("Ed25519", named)
        case _:
            raise ValueError(f"no key is made for {algorithm}")
    return SigningKey(key=key, algorithm=algorithm)


@dataclass(kw_only=True, slots=True)
class StandInIssuer:
    """The identity provider. Its state is public and may be changed at any time.

    `issuer_url` may be set once the port is known. `keys` are published, the first one signs.
    """

    issuer_url: str
    audience: str
    algorithm: str = "RS256"
    people: tuple[Person, ...] = field(default_factory=sample_people)
    clock: Callable[[], float] = time.time
    keys: list[SigningKey] = field(default_factory=list)
    behaviour: Behaviour | None = None
    discovery_calls: int = 0
    jwks_calls: int = 0

    def __post_init__(self) -> None:
        if not self.keys:
            self.keys.append(new_signing_key(self.algorithm))

    def application(self) -> web.Application:
        """Return the identity provider as an application; each has the same state behind it."""
        application = web.Application()
        application.router.add_get("/.well-known/openid-configuration", self._discovery)
        application.router.add_get("/jwks.json", self._key_set)
        application.router.add_get("/tokens/{customer}", self._token)
        application.router.add_get("/customers", self._customers)
        return application

    def rotate(self, *, keep_old: bool = False) -> None:
        """Sign with a new key from now on; the old ones stay published where asked for."""
        old = self.keys if keep_old else []
        self.keys = [new_signing_key(self.algorithm), *old]

    def claims(self, customer: str) -> dict[str, object]:
        """Return the claims of a new token for the sample customer of this name.

        Raises KeyError where there is none.
        """
        person = {person.name: person for person in self.people}[customer]
        now = int(self.clock())
        return {
            "iss": self.issuer_url,
            "aud": self.audience,
            "sub": f"user-{person.customer_id}",
            "iat": now,
            "exp": now + LIFETIME,
            "customer_id": person.customer_id,
            "email": person.email,
            "email_verified": True,
            "phone_number": f"+{person.mobile}",
            "phone_number_verified": True,
            "external_id": person.external_id,
            "card_number": person.card_number,
        }

    def token(self, customer: str = "ada", /, **overrides: object) -> str:
        """Return a bearer token; overrides replace claims, and None leaves a claim out.

        Raises KeyError where there is no such sample customer.
        """
        claims = self.claims(customer) | overrides
        return self.sign({name: value for name, value in claims.items() if value is not None})

    def sign(
        self,
        claims: Mapping[str, object],
        *,
        headers: Mapping[str, object] | None = None,
        key: SigningKey | None = None,
    ) -> str:
        """Return the claims signed as they are; headers replace the usual, None leaves one out."""
        signer = key or self.keys[0]
        usual = {"alg": signer.algorithm, "kid": signer.key_id, "typ": "at+jwt"}
        header = {name: value for name, value in (usual | dict(headers or {})).items() if value}
        registry = JWSRegistry(algorithms=[signer.algorithm], strict_check_header=False)
        with warnings.catch_warnings():
            # RFC 9864 prefers "Ed25519" to "EdDSA"; identity providers still write the latter.
            warnings.simplefilter("ignore")
            return jwt.encode(
                header, dict(claims), signer.key, registry=registry, default_type=None
            )

    async def _discovery(self, request: web.Request) -> web.StreamResponse:
        self.discovery_calls += 1
        document = {
            "issuer": self.issuer_url,
            "jwks_uri": f"{self.issuer_url}/jwks.json",
            "response_types_supported": ["none"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self.algorithm],
        }
        return await self._cacheable(request, document)

    async def _key_set(self, request: web.Request) -> web.StreamResponse:
        self.jwks_calls += 1
        return await self._cacheable(request, {"keys": [key.public() for key in self.keys]})

    async def _cacheable(self, request: web.Request, document: object) -> web.StreamResponse:
        special = await consult(self.behaviour, request)
        if special is not None:
            return special
        return web.json_response(document, headers=_CACHEABLE)

    async def _token(self, request: web.Request) -> web.Response:
        """Log a sample customer in, without a password: this is a sandbox."""
        try:
            token = self.token(request.match_info["customer"])
        except KeyError:
            names = ", ".join(person.name for person in self.people)
            raise web.HTTPNotFound(text=f"No such customer; there are: {names}\n") from None
        return web.Response(text=token, headers={"Cache-Control": "no-store"})

    async def _customers(self, _request: web.Request) -> web.Response:
        return web.json_response([asdict(person) for person in self.people])
