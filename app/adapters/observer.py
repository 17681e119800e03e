"""Tells operators, through the log and the metrics, what the services notice."""

import asyncio
from datetime import UTC, datetime

from app.adapters.logs import Log
from app.adapters.metrics import Metrics
from app.domain.failures import GatewayError
from app.services.breaker import Circuit
from app.services.records import RequestRecord


class LogAndMetrics:
    """Counts each notice, and logs those that are worth reading.

    See `app.services.ports.Observer` for their meanings. The requests of a tick of the event loop
    are logged and counted together, in the next: that costs a fraction of doing it one by one.
    """

    def __init__(self, log: Log, metrics: Metrics) -> None:
        self._log = log
        self._logger = log.events
        self._metrics = metrics
        self._ended: list[RequestRecord] = []

    def request_ended(self, record: RequestRecord) -> None:
        """Note a request, to be logged and counted."""
        self._ended.append(record)
        if len(self._ended) == 1:
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Log and count the requests that were noted."""
        ended, self._ended = self._ended, []
        now = datetime.now(UTC)
        for record in ended:
            record.timestamp = now
            self._metrics.requests.ended(record)
        self._log.requests(ended)

    def request_failed(self, request_id: str, error: Exception) -> None:
        """Say what went wrong in a way that nobody foresaw: an alarm."""
        self._logger.error("internal_error", request_id=request_id, error=error)

    def store_asked(self, operation: str, seconds: float, *, answered: bool) -> None:
        """Count an operation of the store."""
        result = "ok" if answered else "unavailable"
        self._metrics.store.operations[operation, result].observe(seconds)

    def store_failed(self, operation: str) -> None:
        """Say that the store was out of reach; it was counted where it was asked."""
        self._logger.warning("store_failed", operation=operation)

    def entries_read(self, count: int, seconds: float, *, answered: bool) -> None:
        """Count a round trip for reads."""
        self._metrics.store.batches.observe(count)
        self.store_asked("read", seconds, answered=answered)

    def entry_rejected(self, name: str) -> None:
        """Say that an entry did not open: an alarm."""
        self._metrics.store.rejected.inc()
        self._logger.error("entry_rejected", entry=name)

    def entry_from_the_future(self) -> None:
        """Say that the clocks of two replicas differ."""
        self._metrics.store.from_the_future.inc()
        self._logger.warning("entry_from_the_future")

    def gateway_called(self, result: str, seconds: float) -> None:
        """Count a single call."""
        self._metrics.gateway.calls[result,].observe(seconds)

    def gateway_failed(self, error: GatewayError) -> None:
        """Say how a badges call failed."""
        self._metrics.gateway.fetches[error.failure.value,].inc()
        self._logger.warning(
            "gateway_failed", failure=error.failure.value, gateway_request_id=error.request_id
        )

    def token_fetched(self) -> None:
        """Count a new token."""
        self._metrics.gateway.tokens["ok",].inc()

    def token_failed(self, error: GatewayError) -> None:
        """Say how a token call failed."""
        self._metrics.gateway.tokens[error.failure.value,].inc()
        self._logger.warning("token_failed", failure=error.failure.value)

    def gateway_refused(self, error: GatewayError) -> None:
        """Say that the gateway refuses us: an alarm."""
        self._metrics.gateway.refusals[error.failure.value,].inc()
        self._logger.error(
            "gateway_refused", failure=error.failure.value, gateway_request_id=error.request_id
        )

    def gateway_paused(self, seconds: float) -> None:
        """Say that the gateway asked for a pause."""
        self._metrics.gateway.pauses.inc()
        self._logger.warning("gateway_paused", seconds=round(seconds, 3))

    def gateway_retried(self, error: GatewayError) -> None:
        """Say after which failure a call is tried once more."""
        self._metrics.gateway.retries[error.failure.value,].inc()
        self._logger.info("gateway_retried", failure=error.failure.value)

    def circuit_changed(self, name: str, state: Circuit) -> None:
        """Say that a circuit opened, closed, or lets a probe through."""
        self._metrics.circuit_changed(name, state)
        self._logger.warning("circuit_changed", circuit=name, state=state.value)

    def gateway_answered(self, *, request_id: str | None, left_out: int, warnings: int) -> None:
        """Say what was odd about a good answer, if anything was."""
        self._metrics.gateway.fetches["ok",].inc()
        if left_out or warnings:
            self._metrics.gateway.left_out.inc(left_out)
            self._metrics.gateway.warnings.inc(warnings)
            self._logger.warning(
                "gateway_answer_odd",
                left_out=left_out,
                warnings=warnings,
                gateway_request_id=request_id,
            )

    def keys_failed(self, issuer: str) -> None:
        """Say whose keys could not be had."""
        self._metrics.gateway.keys[issuer,].inc()
        self._logger.warning("keys_failed", issuer=issuer)
