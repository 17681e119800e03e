"""Connections to Redis or Valkey: one server, a Sentinel set, or a Cluster."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import unquote

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.typing import EncodableT

Client = Redis | RedisCluster

_DEFAULT_PORT = 6379
_MAX_CONNECTIONS = 512
# Connecting may take longer than a request waits: it goes on behind, for those who come later.
_CONNECT_TIMEOUT = 1.0


class _Cluster(RedisCluster):
    """A client of a Cluster that learns who has which slots before it sends its first command.

    redis-py sends commands to any node until it knows. One of them is redirected and all is well;
    of many at once, the redirections break each other's connections (8.1.0).
    """

    async def execute_command(self, *args: EncodableT, **kwargs: Any) -> Any:  # noqa: ANN401 - redis-py's
        await self.initialize()
        return await super().execute_command(*args, **kwargs)


@asynccontextmanager
async def connect(
    url: str,
    *,
    timeout: float,  # noqa: ASYNC109 - of commands to come
) -> AsyncIterator[Client]:
    """Open the store of a `cache.url`; its connections are made when they are needed.

    A command that is not answered within `timeout` seconds loses its connection. Nothing is retried
    by the client. Maintenance notifications stay off: while they are on, redis-py does not check a
    pooled connection for unread replies, and one that is left over becomes the answer to the next
    command.
    """
    options: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": max(_CONNECT_TIMEOUT, timeout),
        "max_connections": _MAX_CONNECTIONS,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        # Who it is, redis-py looks up in the file system for each new connection.
        "driver_info": None,
    }
    async with AsyncExitStack() as stack:
        if url.startswith("redis+cluster://"):
            client: Client = _cluster(url, options)
        elif url.startswith("redis+sentinel://"):
            client = _master(url, options, stack)
        else:
            client = Redis.from_url(url, retry=_no_retry(), **options)
        stack.push_async_callback(client.aclose)
        yield client


def _cluster(url: str, options: dict[str, Any]) -> RedisCluster:
    """Make a client of a Cluster, which it finds by any of the nodes named."""
    hosts, credentials, _ = _parts(url)
    return _Cluster(
        startup_nodes=[ClusterNode(host, port) for host, port in hosts],
        # A slot that has moved is found anew by asking, once.
        retry=Retry(NoBackoff(), 1),
        **credentials,
        **options,
    )


def _master(url: str, options: dict[str, Any], stack: AsyncExitStack) -> Redis:
    """Make a client of the master that the Sentinels name, now and after each failover."""
    hosts, credentials, service = _parts(url)
    watching = {**options, "retry": _no_retry()}
    sentinel = Sentinel(hosts, sentinel_kwargs=watching)  # type: ignore[no-untyped-call]
    for watcher in sentinel.sentinels:
        stack.push_async_callback(watcher.aclose)
    master: Redis = sentinel.master_for(service, retry=_no_retry(), **credentials, **options)
    return master


def _parts(url: str) -> tuple[list[tuple[str, int]], dict[str, Any], str]:
    """Split `scheme://user:password@host:port,host:port/service`, which was validated before."""
    _, _, rest = url.partition("://")
    user_info, _, place = rest.rpartition("@")
    authority, _, service = place.partition("/")
    user, _, password = user_info.partition(":")
    given = {"username": unquote(user), "password": unquote(password)}
    hosts = [_host(text) for text in authority.split(",")]
    return hosts, {name: value for name, value in given.items() if value}, service


def _host(text: str) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    if not separator or port.endswith("]"):
        return text.strip("[]"), _DEFAULT_PORT
    return host.strip("[]"), int(port)


def _no_retry() -> Retry:
    return Retry(NoBackoff(), 0)
