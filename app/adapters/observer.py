"""Tells operators, through the log and the metrics, what the services notice."""

from collections.abc import Mapping

from structlog.typing import FilteringBoundLogger

from app.adapters.metrics import Metrics
from app.domain.failures import GatewayError
from app.services.breaker import Circuit


class LogAndMetrics:
    """Counts each notice, and logs those that are worth reading.

    See `app.services.ports.Observer` for their meanings.
    """

    def __init__(self, logger: FilteringBoundLogger, metrics: Metrics) -> None:
        self._logger = logger
        self._metrics = metrics

    def request_ended(
        self, method: str, route: str, status: int, seconds: float, facts: Mapping[str, object]
    ) -> None:
        """Count a request; who served it has logged it."""
        self._metrics.requests.ended(method, route, status, seconds, facts)

    def store_asked(self, operation: str, seconds: float, *, answered: bool) -> None:
        """Count an operation of the store."""
        result = "ok" if answered else "unavailable"
        self._metrics.store.operations[operation, result].observe(seconds)

    def store_failed(self, operation: str) -> None:
        """Say that the store was out of reach; it was counted where it was asked."""
        self._logger.warning("store_failed", operation=operation)

    def entries_read(self, count: int) -> None:
        """Count a round trip for reads."""
        self._metrics.store.batches.observe(count)

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
