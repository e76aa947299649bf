"""A small Azure Key Vault over TLS for the real client library: RSA keys with versions, and secrets."""

from __future__ import annotations

import base64
import json
import re
import secrets
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from azure.core.credentials import AccessToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.peers.certificates import certificate

OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


class Credential:
    """What a sign-in library would hand over."""

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        return AccessToken("token", int(time.time()) + 3600)


class AzureVault:
    """Starts the server; `fault` is a status and code for the next answers, `asked` what was asked for."""

    def __init__(self, directory: Path) -> None:
        self.keys: dict[str, dict[str, rsa.RSAPrivateKey]] = {}
        self.secrets: dict[str, str] = {}
        self.fault: tuple[int, str] | None = None
        self.silent = threading.Event()
        self.asked: list[str] = []
        public, private = certificate()
        self.ca_file = directory / "azure.pem"
        self.ca_file.write_bytes(public)
        (directory / "azure.key").write_bytes(private)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file, directory / "azure.key")
        vault = self

        class Handler(Requests):
            store = vault

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.server.daemon_threads = True
        self.url = f"https://localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def rotate(self, name: str, bits: int = 3072) -> str:
        """Add a version to a key, or make it."""
        version = secrets.token_hex(16)
        self.keys.setdefault(name, {})[version] = rsa.generate_private_key(65537, bits)
        return version

    def stop(self) -> None:
        """End the server."""
        self.silent.set()
        self.server.shutdown()
        self.server.server_close()


class Requests(BaseHTTPRequestHandler):
    """The four addresses that the client libraries use."""

    store: AzureVault
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.headers.get("Authorization"):
            challenge = f'Bearer authorization="{self.store.url}/tenant", resource="https://vault.azure.net"'
            self._answer(
                401, {"error": {"code": "Unauthorized", "message": "-"}}, {"WWW-Authenticate": challenge}
            )
            return
        self.store.asked.append(f"{self.command} {self.path.partition('?')[0]}")
        if self.store.fault == (0, "hang"):
            self.store.silent.wait(10)
            return
        if self.store.fault:
            status, code = self.store.fault
            self._answer(status, {"error": {"code": code, "message": code}})
            return
        self._answer(*self._result(json.loads(body or b"{}")))

    def _result(self, body: Any) -> tuple[int, Any]:
        path = self.path.partition("?")[0]
        if (found := re.fullmatch(r"/secrets/([^/]+)(?:/([^/]*))?", path)) and found[1] in self.store.secrets:
            return 200, {
                "value": self.store.secrets[found[1]],
                "id": f"{self.store.url}/secrets/{found[1]}/1",
            }
        found = re.fullmatch(r"/keys/([^/]+)(?:/([^/]*))?(/unwrapkey)?", path)
        versions = self.store.keys.get(found[1], {}) if found else {}
        version = (found[2] if found else "") or next(reversed(versions), "")
        if not found or version not in versions:
            return 404, {"error": {"code": "KeyNotFound", "message": "There is no such key."}}
        return self._unwrapped(versions[version], body) if found[3] else self._key(found[1], version)

    def _key(self, name: str, version: str) -> tuple[int, Any]:
        numbers = self.store.keys[name][version].public_key().public_numbers()
        jwk = {
            "kid": f"{self.store.url}/keys/{name}/{version}",
            "kty": "RSA",
            "key_ops": ["wrapKey", "unwrapKey"],
            "n": _text(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8)),
            "e": _text(numbers.e.to_bytes(3)),
        }
        return 200, {"key": jwk, "attributes": {"enabled": True, "created": 1, "updated": 1}}

    def _unwrapped(self, key: rsa.RSAPrivateKey, body: Any) -> tuple[int, Any]:
        packed = base64.urlsafe_b64decode(body["value"] + "==")
        try:
            return 200, {"kid": "-", "value": _text(key.decrypt(packed, OAEP))}
        except ValueError:
            return 400, {"error": {"code": "BadParameter", "message": "The value does not open."}}

    def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        packed = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(packed)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(packed)

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""


def _text(packed: bytes) -> str:
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()
