"""Entries in Redis or Valkey, shared by all replicas."""

import asyncio

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig

from app.services.ports import StoreUnavailableError

_MAX_CONNECTIONS = 512


def connect(url: str, *, timeout: float) -> Redis:
    """Make a client that gives up after `timeout` seconds and never retries on its own.

    Maintenance notifications stay off: while they are on, redis-py does not check a pooled
    connection for unread replies, and one that is left over becomes the answer to the next command.
    """
    return Redis.from_url(
        url,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        max_connections=_MAX_CONNECTIONS,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )


class RedisStore:
    """Keeps entries as strings with an expiry. `timeout` bounds each operation, in seconds."""

    def __init__(self, redis: Redis, *, timeout: float) -> None:
        self._redis = redis
        self._timeout = timeout

    async def get(self, name: str) -> bytes | None:
        """Return the content of that name, None if there is none."""
        try:
            async with asyncio.timeout(self._timeout):
                content = await self._redis.get(name)
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailableError from error
        return content if isinstance(content, bytes) else None

    async def put(self, name: str, content: bytes, *, ttl: float) -> None:
        """Keep a content for `ttl` seconds."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._redis.set(name, content, px=max(1, round(ttl * 1000)))
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailableError from error
