"""Tells operators, through the log, what the services notice."""

from structlog.typing import FilteringBoundLogger

from app.domain.failures import GatewayError
from app.services.breaker import Circuit


class LogObserver:
    """Writes one event a notice. See `app.services.ports.Observer` for their meanings."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        self._logger = logger

    def store_failed(self, operation: str) -> None:
        """Say that the store was out of reach."""
        self._logger.warning("store_failed", operation=operation)

    def entry_rejected(self) -> None:
        """Say that an entry did not open: an alarm."""
        self._logger.error("entry_rejected")

    def entry_from_the_future(self) -> None:
        """Say that the clocks of two replicas differ."""
        self._logger.warning("entry_from_the_future")

    def gateway_failed(self, error: GatewayError) -> None:
        """Say how a badges call failed."""
        self._logger.warning(
            "gateway_failed", failure=error.failure.value, gateway_request_id=error.request_id
        )

    def token_failed(self, error: GatewayError) -> None:
        """Say how a token call failed."""
        self._logger.warning("token_failed", failure=error.failure.value)

    def gateway_refused(self, error: GatewayError) -> None:
        """Say that the gateway refuses us: an alarm."""
        self._logger.error(
            "gateway_refused", failure=error.failure.value, gateway_request_id=error.request_id
        )

    def gateway_paused(self, seconds: float) -> None:
        """Say that the gateway asked for a pause."""
        self._logger.warning("gateway_paused", seconds=round(seconds, 3))

    def gateway_retried(self, error: GatewayError) -> None:
        """Say after which failure a call is tried once more."""
        self._logger.info("gateway_retried", failure=error.failure.value)

    def circuit_changed(self, name: str, state: Circuit) -> None:
        """Say that a circuit opened, closed, or lets a probe through."""
        self._logger.warning("circuit_changed", circuit=name, state=state.value)

    def gateway_answered(self, *, request_id: str | None, left_out: int, warnings: int) -> None:
        """Say what was odd about a good answer, if anything was."""
        if left_out or warnings:
            self._logger.warning(
                "gateway_answer_odd",
                left_out=left_out,
                warnings=warnings,
                gateway_request_id=request_id,
            )

    def keys_failed(self, issuer: str) -> None:
        """Say whose keys could not be had."""
        self._logger.warning("keys_failed", issuer=issuer)
