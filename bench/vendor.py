"""A vendor in a process of its own: keep-alive, 1 KB in, a few bytes out, after a given time."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import contextmanager

ANSWER = (
    b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nX-Message-Id: m-0123456789\r\n"
    b"Content-Length: 35\r\n\r\n" + b'{"status":"queued","id":"12345678"}'
)


class Peer(asyncio.Protocol):
    """One connection; requests are told apart by their announced length only."""

    def __init__(self, delay_s):
        self.delay_s = delay_s
        self.data = b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.data += data
        while True:
            head, found, body = self.data.partition(b"\r\n\r\n")
            if not found:
                return
            at = head.lower().find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(body) < length:
                return
            self.data = body[length:]
            if self.delay_s:
                asyncio.get_running_loop().call_later(self.delay_s, self._answer)
            else:
                self._answer()

    def _answer(self):
        if not self.transport.is_closing():
            self.transport.write(ANSWER)


async def serve(delay_s):
    """Serve until our standard input is closed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Peer(delay_s), "127.0.0.1", 0, backlog=512)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


@contextmanager
def vendor(delay_ms=0):
    """The address of a vendor that answers after this time, in a process of its own."""
    command = [sys.executable, "-m", "bench.vendor", str(delay_ms)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.stdout.close()
        process.terminate()
        process.wait(5)


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]) / 1000 if len(sys.argv) > 1 else 0))
