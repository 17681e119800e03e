"""`GET /me/badges/summary`."""

from aiohttp import web

from app.protocol.content import compress, digest, encode
from app.protocol.query import parse_no_query
from app.services.badges import Served, Source
from app.services.summary import SummaryReader
from app.web.admission import Admission, Admitted
from app.web.envelope import JOURNEY
from app.web.lean_response import Handler, LeanResponse
from app.web.representation import cache_fields, note, respond

# Of the answers that a summary is made of, the one that is worst off speaks for all.
_WORSE = (Source.HIT, Source.REFETCHED, Source.MISS, Source.STALE_IF_ERROR, Source.BYPASS)


def summary_handler(*, admission: Admission, reader: SummaryReader) -> Handler:
    """Make the handler."""

    async def get_summary(request: web.Request, caller: Admitted) -> LeanResponse:
        parse_no_query(request.rel_url.raw_query_string)
        summarised = await reader.read(caller.customer, until=caller.until, pulled=caller.pulled)
        worst = max(summarised.parts, key=_badness)
        oldest = max(summarised.parts, key=lambda part: part.age)
        note(worst, request[JOURNEY].record)
        request[JOURNEY].record.age = round(oldest.age, 3)
        cache_control = "no-store" if summarised.summary.incomplete else "private, no-cache"
        fields = cache_fields(worst, oldest=oldest, cache_control=cache_control)
        body = encode(summarised.summary)
        return respond(request, compressed=compress(body), digest=digest(body), fields=fields)

    return admission.handler(get_summary)


def _badness(part: Served) -> tuple[int, float]:
    return _WORSE.index(part.source), -part.ttl
