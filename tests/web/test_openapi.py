"""The OpenAPI document: valid, and the same as what the service does."""

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web
from house import House, Reply, Service
from multidict import CIMultiDict
from openapi import Description
from openapi_spec_validator import validate

from app.domain.failures import Failure, GatewayError
from app.domain.query import BadgesQuery, InvalidQueryError, Owner, SortField, Status, View
from app.protocol.parameters import TABLE
from app.protocol.query import parse_query
from app.web.openapi import make_document
from app.web.openapi.operations import query_parameters
from app.web.problem_table import PROBLEMS

SECRET = "a-secret-that-is-shared"
PARAMETERS = {parameter["name"]: parameter for parameter in query_parameters()}


@pytest.fixture
def description() -> Description:
    """The document, as it is made."""
    return Description(make_document(webhook_header="Authorization"))


def refused(query: str) -> bool:
    """Tell whether the service's parser refuses a query string."""
    try:
        parse_query(query)
    except InvalidQueryError:
        return True
    return False


def values(schema: dict[str, Any]) -> list[Any]:
    """Return values that a parameter's schema allows, the extreme ones among them."""
    if "enum" in schema:
        return schema["enum"]
    return {
        "boolean": [True, False],
        "integer": [schema.get("minimum"), schema.get("maximum")],
        "string": ["a", "a" * schema.get("maxLength", 1)],
    }[schema["type"]]


def beyond(schema: dict[str, Any]) -> list[Any]:
    """Return values that a parameter's schema does not allow."""
    numbers = [schema.get("minimum", 0) - 1, schema.get("maximum", 0) + 1, "1.5", "many"]
    return {
        "boolean": ["yes", "0"],
        "integer": numbers,
        "string": ["", "\x00", "no such value\x07", "a" * (schema.get("maxLength", 200) + 1)],
    }[schema["type"]]


def written(value: Any) -> str:
    """Write a value as clients write it into a query string."""
    return quote(json.dumps(value) if isinstance(value, bool) else str(value))


def test_the_document_is_valid(description: Description) -> None:
    """It is OpenAPI 3.1."""
    assert description.document["openapi"] == "3.1.0"
    validate(description.document)


async def test_the_document_is_served(house: House) -> None:
    """Anybody may read it; it is kept shortly, and revalidated for the price of a 304."""
    service = await house.start()

    reply = await service.get("/openapi.json", token=None)
    tag = reply.headers["ETag"]
    again = await service.get("/openapi.json", token=None, headers={"If-None-Match": tag})
    head = await service.get("/openapi.json", token=None, method="HEAD")

    assert reply.headers["Cache-Control"].startswith("public, max-age=")
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    assert (head.status, head.body, head.headers["ETag"]) == (200, b"", tag)
    validate(reply.json)


async def test_the_webhooks_header_is_the_configured_one(house: House) -> None:
    """The security scheme names the header that is looked at."""
    service = await house.start(BFF_WEBHOOK__SECRET=SECRET, BFF_WEBHOOK__HEADER="X-Loyalty-Key")

    described = await Description.of(service)

    scheme = described.document["components"]["securitySchemes"]["webhookSecret"]
    assert scheme["name"] == "X-Loyalty-Key"


def test_the_parameters_are_those_that_are_parsed(description: Description) -> None:
    """None is missing and none is made up."""
    item = description.document["paths"]["/me/badges"]
    described = [
        p["name"] for p in map(description.look_up, item["parameters"]) if p["in"] == "query"
    ]

    assert described == list(TABLE)


@pytest.mark.parametrize("name", PARAMETERS)
def test_what_is_described_is_accepted(name: str) -> None:
    """Every value and the example of a parameter are; its default is what happens without it."""
    parameter = PARAMETERS[name]
    schema = parameter["schema"]
    fit = [] if schema.get("format") == "date-time" else values(schema)

    for value in (*fit, *schema["examples"]):
        assert not refused(f"{name}={written(value)}"), (name, value)
    if "default" in schema:
        assert parse_query(f"{name}={written(schema['default'])}") == BadgesQuery()


@pytest.mark.parametrize("name", PARAMETERS)
def test_what_is_not_described_is_refused(name: str, description: Description) -> None:
    """What lies outside of a parameter's schema is."""
    schema = PARAMETERS[name]["schema"]

    for value in beyond(schema):
        assert description.faults(schema, value) or schema.get("format") == "date-time", value
        assert refused(f"{name}={written(value)}"), (name, value)


@pytest.mark.parametrize(
    ("name", "words"),
    [("view", View), ("status", Status), ("owner", Owner), ("claimedBy", Owner)],
)
def test_every_word_of_the_domain_is_described(name: str, words: type[View]) -> None:
    """An enumeration has the domain's values, in their order."""
    assert PARAMETERS[name]["schema"]["enum"] == [word.value for word in words]


def test_every_order_is_described() -> None:
    """Each field sorts both ways."""
    assert set(PARAMETERS["sort"]["schema"]["enum"]) == {
        f"{sign}{field}" for field in SortField for sign in ("", "-")
    }


def test_answer_enumerations_are_open(description: Description) -> None:
    """Clients that are made from the document accept values that are not listed."""
    schemas = description.document["components"]["schemas"]
    badge = schemas["Badge"]["properties"]

    assert "enum" not in [key for _, key in keys(schemas)]
    for field, known in (("kind", "earn"), ("status", "live")):
        assert known in badge[field]["anyOf"][0]["x-extensible-enum"]
        assert badge[field]["anyOf"][0]["type"] == "string"


def keys(value: Any) -> list[tuple[Any, str]]:
    """List every key of a value, however deep."""
    if isinstance(value, list):
        return [pair for item in value for pair in keys(item)]
    if isinstance(value, dict):
        return [(value, key) for key in value] + [p for item in value.values() for p in keys(item)]
    return []


def test_everything_has_an_example(description: Description) -> None:
    """Every header, parameter, problem and answer with a body shows one that fits its schema."""
    components = description.document["components"]
    for header in components["headers"].values():
        assert description.faults(header["schema"], header["example"]) == []
    for parameter in (*components["parameters"].values(), *PARAMETERS.values()):
        (example,) = parameter["schema"]["examples"]
        assert description.faults(parameter["schema"], example) == []
    assert set(components["examples"]) == set(PROBLEMS)
    contents = 0
    for _, _, operation in description.operations():
        for response in map(description.look_up, operation["responses"].values()):
            for media in response.get("content", {}).values():
                shown = [
                    description.look_up(e)["value"] for e in media.get("examples", {}).values()
                ]
                for value in shown or [media["example"]]:
                    assert description.faults(media["schema"], value) == []
                    contents += 1
    assert contents > len(PROBLEMS)


def test_every_problem_is_described(description: Description) -> None:
    """Each code of the table is what some operation may answer."""
    codes = {
        code
        for _, _, operation in description.operations()
        for response in map(description.look_up, operation["responses"].values())
        for code in response.get("content", {}).get("application/problem+json", {"examples": {}})[
            "examples"
        ]
    }

    assert codes == set(PROBLEMS)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/me/badges", ""),
        ("/me/badges", "?include=ownership&view=available"),
        ("/me/badges", "?page=900"),
        ("/me/badges/summary", ""),
    ],
)
@pytest.mark.parametrize("coding", ["gzip", "identity"])
async def test_good_answers_are_as_described(
    house: House, path: str, query: str, method: str, coding: str
) -> None:
    """A 200 and its 304 have the described header fields and no other; the body fits."""
    service = await house.start(
        BFF_LIMITS__REQUESTS_PER_MINUTE="9", BFF_SERVER__CORS_ORIGINS="https://shop.example"
    )
    description = await Description.of(service)
    sent = {"Origin": "https://shop.example"}

    plain = await service.get(path + query, headers=sent, method=method)
    coded = await service.get(
        path + query, headers=sent | {"Accept-Encoding": coding}, method=method
    )
    known = await service.get(path + query, headers=sent | {"If-None-Match": "*"}, method=method)

    assert (plain.status, coded.status, known.status) == (200, 200, 304)
    assert ("Content-Encoding" in coded.headers) == (coding == "gzip")
    for reply in (plain, known):
        description.assert_told(path, reply, method=method.lower())


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/openapi.json", "/docs"])
async def test_public_answers_are_as_described(house: House, path: str) -> None:
    """What anybody may read is described, too."""
    service = await house.start()

    (await Description.of(service)).assert_told(path, await service.get(path, token=None))


async def test_an_unready_answer_is_as_described(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is the answer of a process that wants no traffic."""
    service = await house.start()
    description = await Description.of(service)

    monkeypatch.setattr("app.services.readiness.Readiness.ready", False)
    reply = await service.get("/readyz", token=None)

    assert reply.status == 503
    description.assert_told("/readyz", reply)


def failing(failure: Failure) -> Any:
    """Make a gateway that fails in one way."""

    async def call(*_: object, **__: object) -> None:
        raise GatewayError(failure)

    return call


async def explode(*_: object, **__: object) -> None:
    """Be a fault of ours."""
    raise RuntimeError


async def disown(_: web.Request) -> web.Response:
    """Answer that there is no such customer."""
    return web.json_response({"data": None, "errors": [{"code": 1026}], "warnings": []})


async def fail(_: web.Request) -> web.Response:
    """Answer an error."""
    return web.Response(status=500)


async def refuse(_: web.Request) -> web.Response:
    """Answer that there were too many calls."""
    return web.Response(status=429, headers={"Retry-After": "42"})


async def hang(_: web.Request) -> None:
    """Answer nothing for a long time."""
    await asyncio.sleep(30)


@pytest.mark.parametrize("path", ["/me/badges", "/me/badges/summary"])
@pytest.mark.parametrize(
    ("code", "asked"),
    [
        ("invalid-query", {"query": "?view=all&foo=1"}),
        ("unauthenticated", {"token": None}),
        ("unauthenticated", {"token": "x.y.z"}),
        ("method-not-allowed", {"method": "DELETE"}),
        ("not-acceptable", {"headers": {"Accept": "text/html"}}),
        ("uri-too-long", {"query": f"?name={'a' * 9000}"}),
        ("header-fields-too-large", {"headers": {"X": "a" * 20_000}}),
    ],
)
async def test_problems_of_requests_are_as_described(
    house: House, path: str, code: str, asked: dict[str, Any]
) -> None:
    """What a caller does wrong is answered as the document says."""
    service = await house.start()

    await assert_problem(service, code, path, **asked)


async def test_a_framing_problem_is_as_described(house: House) -> None:
    """So is what is answered below the application, where no route is known."""
    service = await house.start()
    reader, writer = await asyncio.open_connection(*service.public)
    writer.write(b"GET /me/badges HTTP/1.1\r\nBad Field: x\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    status, *lines = head.decode().split("\r\n")
    headers = CIMultiDict(line.split(": ", 1) for line in lines)

    reply = Reply(int(status.split()[1]), headers, body)

    assert reply.code == "bad-request"
    (await Description.of(service)).assert_told("/me/badges", reply)


@pytest.mark.parametrize(
    ("code", "claims", "overrides"),
    [
        ("insufficient-scope", {"scope": "profile"}, {"BFF_IDENTITY__SCOPE": "badges:read"}),
        ("no-customer-identity", {"customer_id": ".."}, {}),
        ("identity-unavailable", {}, {"BFF_IDENTITY__JWKS_URL": "http://127.0.0.1:9/keys"}),
        ("rate-limited", {}, {"BFF_LIMITS__REQUESTS_PER_MINUTE": "1"}),
    ],
)
async def test_problems_of_callers_are_as_described(
    house: House, code: str, claims: dict[str, object], overrides: dict[str, str]
) -> None:
    """So is what is wrong with a credential, or too much."""
    service = await house.start(**overrides)
    token = house.issuer.token(**claims)
    if code == "rate-limited":
        await service.get(token=token)

    await assert_problem(service, code, token=token)


@pytest.mark.parametrize(
    ("code", "behaviour"),
    [
        ("customer-not-found", disown),
        ("gateway-bad-answer", fail),
        ("gateway-unavailable", refuse),
        ("gateway-timeout", hang),
    ],
)
async def test_problems_of_the_gateway_are_as_described(
    house: House, code: str, behaviour: Any
) -> None:
    """So is what the gateway does wrong."""
    service = await house.start(BFF_GATEWAY__TIMEOUT="0.5")
    house.gateway.behaviour = behaviour

    for path in ("/me/badges", "/me/badges/summary"):
        await assert_problem(service, code, path, token="bob" if "summary" in path else "ada")


@pytest.mark.parametrize(
    ("code", "call"), [("overloaded", failing(Failure.OVERLOADED)), ("internal-error", explode)]
)
async def test_problems_of_our_own_are_as_described(
    house: House, monkeypatch: pytest.MonkeyPatch, code: str, call: Any
) -> None:
    """So is a service that has too much to do, or fails."""
    service = await house.start()
    monkeypatch.setattr("app.services.gateway.BadgesGateway._call", call)

    await assert_problem(service, code)


async def test_answers_to_the_webhook_are_as_described(house: House) -> None:
    """Events, good and bad, and a service without webhook."""
    service = await house.start(BFF_WEBHOOK__SECRET=SECRET)
    description = await Description.of(service)
    for status, body, headers in (
        (204, b'{"eventName": "badgeEarned"}', {"Authorization": SECRET}),
        (400, b"[]", {"Authorization": SECRET}),
        (401, b"{}", {}),
        (413, b"x" * 70_000, {"Authorization": SECRET}),
    ):
        reply = await post(service, body, headers)
        assert reply.status == status
        description.assert_told("/webhooks/loyalty", reply, method="post")

    without = await post(await house.start(), b"{}", {})
    assert without.code == "not-found"
    description.assert_told("/webhooks/loyalty", without, method="post")


async def post(service: Service, body: bytes, headers: dict[str, str]) -> Reply:
    """Send an event."""
    host, port = service.public
    url = f"http://{host}:{port}/webhooks/loyalty"
    async with service.session.post(url, data=body, headers=headers) as response:
        return Reply(response.status, response.headers.copy(), await response.read())


async def assert_problem(
    service: Service, code: str, path: str = "/me/badges", *, query: str = "", **asked: Any
) -> None:
    """Check that a request ends in a problem, and that the document tells of it."""
    description = await Description.of(service)
    reply = await service.get(path + query, **asked)
    assert reply.code == code
    description.assert_told(path, reply)
    shown = description.document["components"]["examples"][code]["value"]
    told = {name: reply.json[name] for name in ("type", "title", "status", "detail", "code")}
    assert told == {name: shown[name] for name in told}
