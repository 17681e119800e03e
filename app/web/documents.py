"""Documents that are the same for everybody: pages, their parts, the API's description."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from app.protocol.content import compress, digest
from app.web.lean_response import Handler, LeanResponse
from app.web.negotiation import accepts_gzip, matches

# Everything a page loads comes from here, nothing is written into the page itself.
_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_LIFE = "public, max-age=300"  # short: a new version is to be seen soon


@dataclass(frozen=True, slots=True)
class Document:
    """A document, compressed and digested beforehand: no answer to it costs more than sending."""

    content_type: str
    body: bytes
    compressed: bytes
    digest: str


Find = Callable[[web.Request], Awaitable[Document]]


def make_document(body: bytes, content_type: str) -> Document:
    """Compress and digest a document."""
    return Document(content_type, body, compress(body), digest(body))


def document_handler(find: Find) -> Handler:
    """Make the handler that answers with the document that a request asks for."""

    async def get_document(request: web.Request) -> LeanResponse:
        return _answer(request, await find(request))

    return get_document


def constant(document: Document) -> Find:
    """Find the same document always."""

    async def find(_: web.Request) -> Document:
        return document

    return find


def _answer(request: web.Request, document: Document) -> LeanResponse:
    gzip = accepts_gzip(request.headers.getall("Accept-Encoding", ()))
    headers = {
        "ETag": f'"{document.digest}{"-gzip" if gzip else ""}"',
        "Cache-Control": _LIFE,
        "Vary": "Accept-Encoding",
        "Content-Security-Policy": _POLICY,
    }
    if matches(request.headers.getall("If-None-Match", ()), headers["ETag"]):
        return LeanResponse(304, headers)
    headers["Content-Type"] = document.content_type
    if gzip:
        headers["Content-Encoding"] = "gzip"
    body = document.compressed if gzip else document.body
    return LeanResponse(200, headers, body)
