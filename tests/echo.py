"""Servers that refuse everything and repeat every word of it, as a vendor might that writes our keys into its errors."""

from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer
from urllib.parse import quote


class Echo(BaseHTTPRequestHandler):
    """A vendor that refuses everything and repeats all it was told: in headers, in JSON, encoded and reversed."""

    def _answer(self):
        if self.path.endswith("/openid-configuration"):
            self._describe()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("utf-8", "replace")
        said = " ".join([*self.headers.values(), self.path, body])
        self.server.heard.append(said)
        coded = base64.b64encode(said.encode()).decode()
        errors = [{"message": said, "field": coded, "help": said.encode().hex()}]
        answer = json.dumps({"errors": errors, "message": said, "Code": coded, "token": coded}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Request-Id", quote(said)[:500])
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _describe(self):
        """So that tokens are sent here too."""
        url = self.server.url
        about = {
            f"{step}_endpoint": f"{url}/{step}"
            for step in ("authorization", "token", "userinfo", "revocation")
        }
        answer = json.dumps({"issuer": url, "jwks_uri": f"{url}/keys", **about}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_HEAD = _answer  # noqa: N815 - the names the server looks for

    def log_message(self, *_):
        pass


class MailEcho(StreamRequestHandler):
    """A mail server that offers to sign in, then refuses and repeats every line."""

    def handle(self):
        self.wfile.write(b"220 echo\r\n")
        while line := self.rfile.readline(4096).strip():
            hello = line.upper().startswith(b"EHLO")
            self.wfile.write(
                b"250-echo\r\n250 AUTH PLAIN LOGIN\r\n" if hello else b"535 5.7.8 " + line + b"\r\n"
            )


@contextmanager
def serving(server):
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@contextmanager
def echoing():
    """An HTTP vendor at `url` that answers with `status` and keeps what it heard, and a mail server at `mail_port`."""
    with (
        serving(ThreadingHTTPServer(("127.0.0.1", 0), Echo)) as server,
        serving(ThreadingTCPServer(("127.0.0.1", 0), MailEcho)) as mail,
    ):
        server.status, server.heard, server.mail_port = 401, [], mail.server_address[1]
        server.url = f"http://127.0.0.1:{server.server_port}"
        yield server
