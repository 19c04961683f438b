"""Logs as one JSON object a line, with nothing personal: our own fields are ids and codes."""

import logging
import sys
from pathlib import Path

import structlog
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)

_TALKATIVE = ("sqlalchemy", "aiosqlite", "python_http_client", "httpx", "httpcore", "alembic")


def configure_logs(file: Path | None = None, level: str = "INFO") -> None:
    """Send the standard library's, the SDK's and our own records through structlog to standard error, or to
    a file where people look at the screen."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.FileHandler(file, delay=True) if file else logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def configure_telemetry(metrics_address: str | None = None) -> None:
    """Let the SDK log like everybody else, and Prometheus ask at `host:port`. Call it once, first."""
    forwarding = LogForwardingConfig(logger=logging.getLogger("temporalio.core"))
    quiet = TelemetryFilter(core_level="WARN", other_level="ERROR")
    metrics = PrometheusConfig(bind_address=metrics_address) if metrics_address else None
    telemetry = TelemetryConfig(logging=LoggingConfig(filter=quiet, forwarding=forwarding), metrics=metrics)
    Runtime.set_default(Runtime(telemetry=telemetry))
