"""Traces for OpenTelemetry: a span for each call and one for each try, which the vendor is told as `traceparent`.

Loaded only where tracing is switched on; needs requirements-otel.txt. Spans hold names, numbers and codes, never
parameters, answers or recipients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Self

from opentelemetry import trace
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from webapp.engine.attempt import Attempt
    from webapp.engine.result import Result
    from webapp.engine.run import Run

_PROPAGATOR = TraceContextTextMapPropagator()


class Telemetry:
    """Wraps what the engine does in spans. A provider that business code has set up already is used as it is."""

    def __init__(self, provider: trace.TracerProvider, own: TracerProvider | None = None) -> None:
        self._tracer = provider.get_tracer("patchbay")
        self._own = own

    @classmethod
    def create(cls, exporter: SpanExporter | None = None) -> Self:
        """Use the provider of this process, or make one that exports as the OTEL_ variables say."""
        present = trace.get_tracer_provider()
        if isinstance(present, TracerProvider) and exporter is None:
            return cls(present)
        resource = Resource({SERVICE_NAME: "patchbay"}).merge(OTELResourceDetector().detect())
        own = TracerProvider(resource=resource)
        own.add_span_processor(BatchSpanProcessor(exporter or _otlp()))
        return cls(own, own)

    def call(self, run: Run, traceparent: str | None, make: Callable[[], Result]) -> Result:
        """Make a call inside a span; its parent is the one that is named, else the present one."""
        request = run.request
        parent = _PROPAGATOR.extract({"traceparent": traceparent}) if traceparent else None
        about = {
            "patchbay.call_id": str(run.call_id),
            "patchbay.operation": request.operation.name,
            "patchbay.integration_point": request.point,
            "patchbay.correlation_id": request.correlation_id,
        }
        with self._tracer.start_as_current_span(
            request.operation.name, parent, attributes=_some(about), record_exception=False, set_status_on_exception=False
        ) as span:  # fmt: skip
            try:
                result = make()
            except Exception as error:
                _end(span, "unknown" if _code(error) == "AMBIGUOUS_OUTCOME" else "failed", _code(error))
                raise
            _end(span, result.outcome, None)
            span.set_attribute("patchbay.attempts", result.attempts)
            return result

    def send(self, attempt: Attempt) -> None:
        """Send an attempt inside a span, which the vendor is told."""
        candidate = attempt.candidate
        about = {
            "patchbay.log_id": str(attempt.log_id),
            "patchbay.service_id": candidate.service_id,
            "patchbay.service_type": candidate.service_type,
            "patchbay.attempt_no": attempt.number,
            "server.address": (attempt.endpoint or "").rpartition(":")[0] or None,
        }
        with self._tracer.start_as_current_span(
            f"{attempt.request.operation.name} {candidate.service_type}", kind=SpanKind.CLIENT, attributes=_some(about)
        ) as span:  # fmt: skip
            _PROPAGATOR.inject(attempt.wire.trace)
            attempt.send()
            if attempt.exchange and attempt.exchange.status:
                span.set_attribute("http.response.status_code", attempt.exchange.status)
            if verdict := attempt.verdict:
                _end(span, verdict.outcome(attempt.safety), verdict.code)
                span.set_attribute("patchbay.effect", str(verdict.effect))

    def flush(self) -> None:
        """Send what waits, now."""
        if self._own is not None:
            self._own.force_flush()

    def close(self) -> None:
        """Send what waits, if the provider is ours."""
        if self._own is not None:
            self._own.shutdown()


def _otlp() -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - heavy

    return OTLPSpanExporter()


def _end(span: Span, outcome: str, code: str | None) -> None:
    span.set_attribute("patchbay.outcome", outcome)
    if code:
        span.set_attribute("error.type", code)
        span.set_status(Status(StatusCode.ERROR, code))


def _code(error: Exception) -> str:
    """The code of a problem; of anything else only its kind, because its words may hold a secret."""
    return str(getattr(error, "code", "") or type(error).__name__)


def _some(attributes: Mapping[str, str | int | None]) -> dict[str, str | int]:
    return {name: value for name, value in attributes.items() if value is not None}
