"""Where traces go: to a collector, by OTLP over HTTP. Imported only where there is one.

At most ``QUEUE_LIMIT`` spans wait to be sent, by a thread of their own; more are dropped. Nothing waits for a
collector, but for ``traces.STOP_TIMEOUT_S`` a process that ends. That spans begin to get lost is logged once, and once
that it has ended.

The SDK reads its own variables for what is not set here: OTEL_EXPORTER_OTLP_HEADERS, which may hold a secret,
OTEL_EXPORTER_OTLP_CERTIFICATE, OTEL_RESOURCE_ATTRIBUTES and so on.
"""

import logging
from collections.abc import Sequence
from typing import Final

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from services.infra import traces

QUEUE_LIMIT: Final = 2048
BATCH_LIMIT: Final = 512
DELAY_MS: Final = 2_000
EXPORT_TIMEOUT_S: Final = 5

_log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)


class _Exporter(OTLPSpanExporter):
    """Says when spans begin to get lost, and when that ends."""

    def __init__(self, url: str) -> None:
        super().__init__(f"{url.rstrip('/')}/v1/traces", timeout=EXPORT_TIMEOUT_S)
        self._is_losing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = super().export(spans)
        is_losing = result is not SpanExportResult.SUCCESS
        if is_losing != self._is_losing:
            self._is_losing = is_losing
            _log.warning("traces_lost" if is_losing else "traces_delivered", spans=len(spans))
        return result


def start(url: str, *, ratio: float, service: str, release: str, environment: str, credential: str) -> None:
    """Before anything is traced. Of requests that no other service sent, ``ratio`` are sampled."""
    # It would tell of every attempt, as an error.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    resource = Resource.create(
        {
            "service.namespace": "crossbook",
            "service.name": service,
            "service.version": release,
            "deployment.environment.name": environment,
        }
    )
    provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(ratio)), resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(
            _Exporter(url),
            max_queue_size=QUEUE_LIMIT,
            schedule_delay_millis=DELAY_MS,
            max_export_batch_size=BATCH_LIMIT,
        )
    )
    traces.tracer, traces.credential = provider.get_tracer("crossbook", release), credential.encode()
    traces.flush = provider.force_flush
    traces.is_on = True
