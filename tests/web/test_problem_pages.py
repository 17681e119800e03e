"""The pages of the problems: what each means, and what to do."""

import re
from html.parser import HTMLParser

import pytest
from house import House

from app.domain.failures import Answer
from app.web.problem_table import PROBLEMS

POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


class Page(HTMLParser):
    """What a test looks at in a page: its text, its links, what it loads, and its own scripts."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.text = ""
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.inline: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take down addresses, and what a strict policy refuses."""
        given = {name: value or "" for name, value in attrs}
        if tag == "a":
            self.links.add(given["href"])
        if tag in ("link", "script", "img"):
            self.loaded.add(given.get("href") or given.get("src", ""))
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        self.inline += [tag] if tag == "style" or (tag == "script" and "src" not in given) else []

    def handle_data(self, data: str) -> None:
        """Take down the text."""
        self.text += data


@pytest.mark.parametrize("code", PROBLEMS)
async def test_each_problem_has_a_page(house: House, code: str) -> None:
    """Anybody may read what it means and what each kind of caller is to do."""
    service = await house.start()
    problem = PROBLEMS[code]

    reply = await service.get(f"/problems/{code}", token=None)
    page = Page(reply.body)

    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    advice = problem.advice
    for text in (code, problem.title, problem.detail, advice.app, advice.browser, advice.server):
        assert text in page.text
    assert f"HTTP status {problem.status}" in page.text
    assert {"/docs", *(f"/problems/{other}" for other in PROBLEMS)} == page.links


@pytest.mark.parametrize("path", ["/problems/rate-limited", "/docs"])
async def test_pages_obey_a_strict_policy(house: House, path: str) -> None:
    """They load what is here alone, and have neither script nor style written into them."""
    service = await house.start()

    reply = await service.get(path, token=None)
    page = Page(reply.body)

    assert reply.headers["Content-Security-Policy"] == POLICY
    assert page.inline == []
    assert all(re.fullmatch(r"/docs/[a-z.-]+", address) for address in page.loaded)
    for address in page.loaded:
        assert (await service.get(address, token=None)).status == 200


async def test_a_problem_leads_to_its_page(house: House) -> None:
    """The `type` of a problem is the address of its page, resolved as callers do."""
    service = await house.start()
    problem = await service.get(token=None)

    assert (await service.get(problem.json["type"], token=None)).status == 200


@pytest.mark.parametrize(
    "code", ["", "nothing", "Rate-Limited", "..%2frate-limited", "%3Cscript%3E"]
)
async def test_an_unknown_code_is_not_found(house: House, code: str) -> None:
    """A problem of its own, which repeats nothing."""
    service = await house.start()

    reply = await service.get(f"/problems/{code}", token=None)

    assert reply.code == "not-found"
    assert b"script" not in reply.body


async def test_pages_are_kept_for_a_while(house: House) -> None:
    """They are public, and revalidate for the price of a 304, in both codings."""
    service = await house.start()

    for coding in ("gzip", "identity"):
        sent = {"Accept-Encoding": coding}
        reply = await service.get("/problems/overloaded", token=None, headers=sent)
        sent["If-None-Match"] = reply.headers["ETag"]
        again = await service.get("/problems/overloaded", token=None, headers=sent)

        assert reply.headers["Cache-Control"] == "public, max-age=300"
        assert reply.headers["Vary"] == "Accept-Encoding"
        assert reply.headers.get("Content-Encoding") == ("gzip" if coding == "gzip" else None)
        assert (again.status, again.body) == (304, b"")


def test_the_advice_fits_the_contract() -> None:
    """Who may try again, when, and how often, follows from the status."""
    for problem in PROBLEMS.values():
        server = problem.advice.server
        if problem.pauses:
            assert "Retry-After" in server, problem.code
        elif problem.status >= 500:
            assert "once more after 1 to 3 seconds" in server, problem.code
        elif problem.status == 401:
            assert "once more" in server, problem.code
        else:
            assert "Retry-After" not in server, problem.code
            assert "once more" not in server, problem.code


def test_every_failure_leads_to_a_page() -> None:
    """What the failure table answers is in the table of problems."""
    assert {answer.value for answer in Answer} <= PROBLEMS.keys()
