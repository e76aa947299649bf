"""Calls that are told to a collector on loopback, and vendors that say what they were sent."""

from __future__ import annotations

import gzip
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.engine.conftest import MAIL, clock, service, vendor  # noqa: F401 - fixtures

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP; `spans` are those it was told, by their names."""

    def __init__(self):
        self.spans = []
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def named(self, name):
        return [span for span in self.spans if span.name == name]


class _Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        told = ExportTraceServiceRequest.FromString(body)
        for resource in told.resource_spans:
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def collector(monkeypatch):
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def traced(runtime, collector):
    """The hub of a process that tells its calls; `told()` is what the collector knows by then."""
    runtime.config = replace(runtime.config, otel=True)

    def told():
        runtime.telemetry.flush()
        return collector

    runtime.hub.told = told
    yield runtime.hub
    runtime.telemetry.close()
