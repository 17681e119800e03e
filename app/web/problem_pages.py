"""`GET /problems/<code>`: what a problem means and what to do, for people."""

from html import escape

from aiohttp import web

from app.web.documents import Document, Find, make_document
from app.web.problem_table import PROBLEMS, Problem
from app.web.problems import ProblemError

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} ({code})</title>
<link rel="stylesheet" href="/docs/page.css">
<link rel="icon" href="/docs/icon.svg" type="image/svg+xml">
</head>
<body>
<header><a href="/docs">Badges API</a></header>
<main>
<h1>{title}</h1>
<p class="code"><code>{code}</code> <span>HTTP status {status}</span></p>
<p>{detail}</p>
<h2>What to do</h2>
<dl>
<dt>An app (iOS, Android)</dt><dd>{app}</dd>
<dt>A page in the browser</dt><dd>{browser}</dd>
<dt>A server</dt><dd>{server}</dd>
</dl>
<h2>If it goes on</h2>
<p>Quote the <code>requestId</code> of the problem to support: it names the one line of the log that
tells what happened, and says nothing about the customer.</p>
<h2>All problems</h2>
<ul class="problems">
{others}
</ul>
</main>
</body>
</html>
"""


def problem_pages() -> Find:
    """Make what finds the page of a problem; an unknown code is not found."""
    pages = {code: _page(problem) for code, problem in PROBLEMS.items()}

    async def find(request: web.Request) -> Document:
        page = pages.get(request.match_info["code"])
        if page is None:
            raise ProblemError("not-found")
        return page

    return find


def _page(problem: Problem) -> Document:
    advice = problem.advice
    texts = {
        "title": problem.title,
        "code": problem.code,
        "detail": problem.detail,
        "app": advice.app,
        "browser": advice.browser,
        "server": advice.server,
    }
    escaped = {name: escape(text) for name, text in texts.items()}
    page = _PAGE.format(**escaped, status=problem.status, others=_others(problem))
    return make_document(page.encode(), "text/html; charset=utf-8")


def _others(current: Problem) -> str:
    def item(problem: Problem) -> str:
        here = ' aria-current="page"' if problem is current else ""
        link = f'<a href="/problems/{problem.code}"{here}>{escape(problem.code)}</a>'
        return f"<li>{problem.status} {link}</li>"

    return "\n".join(item(problem) for problem in PROBLEMS.values())
