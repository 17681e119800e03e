"""`GET /docs`: a page to read and try the API. Swagger UI, from a wheel, served from here."""

import asyncio
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType

import swagger_ui_bundle
from aiohttp import web

from app.web.documents import Document, Find, constant, document_handler, make_document
from app.web.lean_response import Handler
from app.web.problem_pages import problem_pages
from app.web.problems import ProblemError

_HTML = "text/html; charset=utf-8"
_CSS = "text/css; charset=utf-8"
_JAVASCRIPT = "text/javascript; charset=utf-8"
_SVG = "image/svg+xml"

_OURS = files("app.web") / "static"
_SWAGGER = swagger_ui_bundle.swagger_ui_path
# Named one by one: of the wheel's files these are needed.
_ASSETS: Mapping[str, tuple[Traversable, str]] = MappingProxyType(
    {
        "docs.css": (_OURS / "docs.css", _CSS),
        "docs.js": (_OURS / "docs.js", _JAVASCRIPT),
        "page.css": (_OURS / "page.css", _CSS),
        "icon.svg": (_OURS / "icon.svg", _SVG),
        "arrow-down.svg": (_OURS / "arrow-down.svg", _SVG),
        "arrow-right.svg": (_OURS / "arrow-right.svg", _SVG),
        "check.svg": (_OURS / "check.svg", _SVG),
        "copy.svg": (_OURS / "copy.svg", _SVG),
        "swagger-ui.css": (_SWAGGER / "swagger-ui.css", _CSS),
        "swagger-ui.js": (_SWAGGER / "swagger-ui-bundle.js", _JAVASCRIPT),
    }
)


def documentation(openapi: bytes) -> dict[str, Handler]:
    """Make the routes of everything that there is to read: `openapi` is the API's description."""
    page = (_OURS / "docs.html").read_bytes()
    return {
        "/openapi.json": document_handler(constant(make_document(openapi, "application/json"))),
        "/docs": document_handler(constant(make_document(page, _HTML))),
        "/docs/{asset}": document_handler(_assets()),
        "/problems/{code}": document_handler(problem_pages()),
    }


def _assets() -> Find:
    """Make what finds the page's parts; each is read and compressed when it is first wanted."""
    loaded: dict[str, Document] = {}

    async def find(request: web.Request) -> Document:
        name = request.match_info["asset"]
        if name not in _ASSETS:
            raise ProblemError("not-found")
        if name not in loaded:
            # Two at once do the same work; compressing takes too long to be done on the loop.
            loaded[name] = await asyncio.to_thread(_load, *_ASSETS[name])
        return loaded[name]

    return find


def _load(path: Traversable, content_type: str) -> Document:
    return make_document(path.read_bytes(), content_type)
