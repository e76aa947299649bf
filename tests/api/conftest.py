"""What tests of the API share: a program with a token, services to speak about, a peer that answers."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

SENDGRID = {
    "service_name": "Mail",
    "service_type": "EMAIL_PROVIDER_SENDGRID",
    "configurations": {"api_key": "SG.first-secret-value-x9Qz", "from_email": "no-reply@example.com"},
}


@dataclass
class Program:
    """A program that calls the API with its token."""

    client: object
    headers: dict

    def __call__(self, method, path, json=None, headers=None, **rest):
        sent = {**self.headers, **(headers or {})}
        if json is not None:
            rest["json"] = json
        return self.client.open(f"/integrations{path}", method=method, headers=sent, **rest)

    def add(self, **changes):
        answer = self("POST", "/services", {**SENDGRID, **changes})
        assert answer.status_code == 201, answer.get_data(as_text=True)
        return answer.json


@pytest.fixture
def api(client, token):
    return Program(client, token())


@pytest.fixture
def allowed(client, token):
    """A program whose token carries only the given scopes."""
    return lambda *scopes: Program(client, token(*scopes))


@pytest.fixture
def service(api):
    return api.add()


@pytest.fixture
def peer():
    """A local HTTP service that wants a bearer token and counts its requests."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.path, self.headers.get("Authorization")))
            good = self.headers.get("Authorization") == "Bearer right-token-value"
            body = b'{"hello": "world"}' if good else b'{"error": "no"}'
            self.send_response(200 if good else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name the server looks for

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen = seen
    server.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def http_service(api, peer):
    """A service of the generic adapter that speaks to the peer."""
    configurations = {
        "base_url": peer.address, "auth": "bearer", "secret": "right-token-value", "health_path": "/health",
    }  # fmt: skip
    return api.add(service_name="Shop", service_type="HTTP_PROVIDER_GENERIC", configurations=configurations)
