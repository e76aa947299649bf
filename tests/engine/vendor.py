"""A vendor on a raw loopback socket: it reads each request whole, then does what it was told."""

from __future__ import annotations

import json
import socket
import struct
import threading
from contextlib import closing

RESET, CLOSE, HANG = "reset", "close", "hang"


def answer(status=202, body=b"", **headers):
    """The bytes of a reply; names of headers are given with underscores."""
    body = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Vendor:
    """Answers every request in the same way until told otherwise; `requests` holds what it read.

    Of a list it does the first thing first, and the last one from then on.
    """

    def __init__(self, does=None):
        self.does = answer(202, X_Message_Id="m-1") if does is None else does
        self.requests = []
        self.read = threading.Event()
        self.let_go = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self):
        self.let_go.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        with closing(connection):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while request := self._request(connection):
                self.requests.append(request)
                self.read.set()
                if not self._do(connection):
                    return

    def _do(self, connection):
        does = self.does
        if isinstance(does, list):
            does = does.pop(0) if len(does) > 1 else does[0]
        if callable(does):
            does = does(self.requests[-1])
        if does == HANG:
            self.let_go.wait(30)
        if does == RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if isinstance(does, bytes):
            connection.sendall(does)
        return isinstance(does, bytes)

    @staticmethod
    def _request(connection):
        data = b""
        try:
            while b"\r\n\r\n" not in data:
                if not (more := connection.recv(65536)):
                    return b""
                data += more
            head, _, body = data.partition(b"\r\n\r\n")
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            length = int(lengths[0].partition(b":")[2]) if lengths else 0
            while len(body) < length:
                if not (more := connection.recv(65536)):
                    return b""
                body += more
        except OSError:
            return b""
        return head + b"\r\n\r\n" + body


def closed_port():
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
