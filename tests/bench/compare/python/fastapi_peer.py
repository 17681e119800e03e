"""The same job as most teams would write it: FastAPI, uvicorn, redis-py, PyJWT.

Badges lie in Redis in plain, compressed once, under the customer's id: a line of JSON that tells
their tag and time, then the body. Each token is verified each time; the keys are in memory.
"""

import json
import os
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.request import urlopen

import jwt
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from redis.asyncio import Redis


def make_app() -> FastAPI:
    """Make the application; `BENCH_SETTINGS` names the file of its settings."""
    settings: dict[str, Any] = json.loads(Path(os.environ["BENCH_SETTINGS"]).read_text())
    redis = Redis.from_url(settings["redis_url"])
    keys = _key_set(settings["jwks_url"])
    bearer = HTTPBearer()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await redis.aclose()

    async def customer_of(
        credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)],
    ) -> str:
        token = credentials.credentials
        try:
            key = keys[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                issuer=settings["issuer"],
                audience=settings["audience"],
                leeway=30,
                options={"require": ["exp"]},
            )
            return str(claims["customer_id"])
        except (jwt.PyJWTError, KeyError):
            headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise HTTPException(401, headers=headers) from None

    app = FastAPI(lifespan=lifespan)

    @app.get("/me/badges")
    async def badges(request: Request, customer: Annotated[str, Depends(customer_of)]) -> Response:
        started = time.perf_counter()
        found = await redis.get(f"plain:{customer}")
        if found is None:
            raise HTTPException(404)
        about, _, body = found.partition(b"\n")
        entry = json.loads(about)
        age = time.time() - entry["fetchedAt"]
        headers = settings["headers"] | {
            "ETag": entry["tag"],
            "Age": str(int(age)),
            "Badges-As-Of": entry["asOf"],
            "Cache-Status": f"badges-bff; hit; ttl={int(entry['freshFor'] - age)}",
            "X-Request-Id": request.headers.get("X-Request-Id") or uuid.uuid4().hex,
            "Server-Timing": f"cache;dur={(time.perf_counter() - started) * 1000:.1f}",
        }
        if entry["tag"] in request.headers.get("If-None-Match", ""):
            return Response(status_code=304, headers=headers)
        described = headers | {"Content-Encoding": "gzip"}
        return Response(body, headers=described, media_type="application/json")

    return app


def _key_set(url: str) -> dict[str, Any]:
    with urlopen(url) as document:  # noqa: S310 - the benchmark's own issuer
        published = jwt.PyJWKSet.from_dict(json.load(document))
    return {str(key.key_id): key.key for key in published.keys}
