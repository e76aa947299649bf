"""Serving the sandbox on a local address."""

from __future__ import annotations

import threading

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from webapp.sandbox import create_sandbox

HOST = "127.0.0.1"


class QuietHandler(WSGIRequestHandler):
    """Prints no line per request: addresses carry numbers and codes, and the page shows what arrived."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def make_sandbox_server(port: int = 0) -> BaseWSGIServer:
    """Bind the sandbox to a loopback port (0: a free one); only this machine can reach it."""
    return make_server(HOST, port, create_sandbox(), threaded=True, request_handler=QuietHandler)


def serve_in_thread(port: int = 0) -> BaseWSGIServer:
    """Start the sandbox beside the caller and return its server; `server.port` says where it is."""
    server = make_sandbox_server(port)
    threading.Thread(target=server.serve_forever, name="sandbox", daemon=True).start()
    return server
