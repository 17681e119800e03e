"""`GET /me/badges`."""

from aiohttp import web

from app.protocol.query import parse_query
from app.services.badges import BadgesReader
from app.web.admission import Admission, Admitted
from app.web.envelope import JOURNEY
from app.web.lean_response import Handler, LeanResponse
from app.web.representation import cache_fields, note, respond


def badges_handler(*, admission: Admission, reader: BadgesReader) -> Handler:
    """Make the handler."""

    async def get_badges(request: web.Request, caller: Admitted) -> LeanResponse:
        query = parse_query(request.rel_url.raw_query_string)
        served = await reader.read(caller.customer, query, until=caller.until, pulled=caller.pulled)
        note(served, request[JOURNEY].record)
        entry = served.entry
        fields = f"{cache_fields(served)}Link: {entry.link}\r\n"
        return respond(request, compressed=entry.body or b"", digest=entry.digest, fields=fields)

    return admission.handler(get_badges)
