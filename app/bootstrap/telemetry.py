"""What operators see: the states that metrics are read from, and the event loop's lag."""

import asyncio
from contextlib import AsyncExitStack

from app.adapters.loop_lag import watch_loop_lag
from app.adapters.metrics import Metrics, Watched
from app.bootstrap.cache import Cache
from app.services.credentials import GatewayCredentials
from app.services.gateway import Guards
from app.services.load import InFlight
from app.services.readiness import Readiness


def watch(
    metrics: Metrics,
    stack: AsyncExitStack,
    *,
    in_flight: InFlight,
    cache: Cache,
    guards: Guards,
    credentials: GatewayCredentials,
    readiness: Readiness,
) -> None:
    """Let metrics read the states of the service, and measure the event loop until it closes."""
    metrics.watch(
        Watched(
            requests_in_flight=lambda: in_flight.count,
            misses_in_flight=lambda: cache.misses.count,
            gateway_queue=lambda: guards.bulkhead.waiting,
            gateway_pause=lambda: guards.pushback.left,
            token_age=credentials.age,
            ready=lambda: readiness.ready,
        )
    )
    lag = asyncio.create_task(watch_loop_lag(metrics.loop_lag.observe))
    stack.push_async_callback(end, lag)


async def end(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait until it has ended."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
