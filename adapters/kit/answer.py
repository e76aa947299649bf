"""Reading a vendor's answer from a connection: the head by a parser written in C, the body up to a limit."""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Iterable, Mapping

import httptools
import urllib3
from requests.structures import CaseInsensitiveDict

from adapters.kit.errors import Unsure
from adapters.kit.text import Message, N_
from adapters.kit.wire import Wire

_CHUNK = 65_536
_HEAD_MAX, _HEADERS_MOST = 64 * 1024, 100
_TOO_LONG = "The head of the answer is too long."
_FIRST_FINAL = 200
_ENCODED = ("gzip", "deflate", "x-gzip", "br", "zstd", "compress")


class Answer:
    """One answer as the parser tells of it."""

    def __init__(self, wire: Wire, *, headless: bool) -> None:
        """`headless` is an answer to HEAD: its head announces a body that does not come."""
        self._wire = wire
        self._headless = headless
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True)
        self._begun = self._whole = self._keep = self._open_ended = False
        self._received = self._head_size = self._header_count = 0
        self._body = bytearray()
        self.packed = True
        self.status_code = 0
        self.headers: CaseInsensitiveDict[str] = CaseInsensitiveDict()

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str], chunks: Iterable[bytes], wire: Wire) -> Answer:
        """An answer that somebody else received and decompressed."""
        answer = cls(wire, headless=False)
        answer.status_code = wire.status = status
        for chunk in chunks:
            answer.on_body(chunk)
        answer.headers.update(headers)
        answer.packed = False
        return answer

    @property
    def reusable(self) -> bool:
        """Whether the connection may carry another request: this answer is whole, and nothing came after it."""
        return self._whole and self._keep

    def read(self, sock: socket.socket) -> None:
        """Read to the end; raises OSError, http.client.HTTPException, ValueError or a Fault."""
        while not self._whole:
            data = sock.recv(_CHUNK)
            if not data:
                self._end()
                break
            self._feed(data)

    @property
    def content(self) -> bytes:
        """The body, decompressed; raises a Fault when it grows beyond the limit."""
        coding = self.headers.get("Content-Encoding", "").strip().lower()
        if not self.packed or not self._body or not coding.startswith(_ENCODED):
            return bytes(self._body)
        packed = urllib3.HTTPResponse(
            io.BytesIO(self._body), headers={"Content-Encoding": coding}, preload_content=False
        )
        body = bytearray()
        for chunk in packed.stream(_CHUNK, decode_content=True):
            body += chunk
            self._check_size(len(body))
        return bytes(body)

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as stopped:
            raise stopped.__context__ or stopped from None
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as problem:
            if not self._whole:
                raise http.client.HTTPException(type(problem).__name__) from None
            self._keep = False  # something came that nobody asked for
        self._begun = True
        self._received += len(data)
        if not self.status_code and self._received > _HEAD_MAX + _CHUNK:
            raise http.client.HTTPException(_TOO_LONG)

    def _end(self) -> None:
        """The vendor closed the connection: how an answer without an announced length ends."""
        if not self._begun:
            raise http.client.RemoteDisconnected("no answer")
        if not self._open_ended:
            raise http.client.IncompleteRead(bytes(self._body))

    def _check_size(self, size: int) -> None:
        if size > self._wire.body_limit:
            text = Message.of(
                N_("The answer is larger than %(limit)s KiB."), limit=self._wire.body_limit // 1024
            )
            raise Unsure(text, code="RESPONSE_TOO_LARGE")

    # Called by the parser, in this order.

    def on_message_begin(self) -> None:
        """Another message than the one that was asked for is not ours to read."""
        if self._whole:
            self._keep = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header in; one that comes again is joined to the one before."""
        if self._whole or self.status_code:
            return
        self._header_count += 1
        self._head_size += len(name) + len(value)
        if self._header_count > _HEADERS_MOST or self._head_size > _HEAD_MAX:
            raise http.client.HTTPException(_TOO_LONG)
        key, text = name.decode("latin-1"), value.decode("latin-1")
        before = self.headers.get(key)
        self.headers[key] = text if before is None else f"{before}, {text}"

    def on_headers_complete(self) -> None:
        """Know the status, unless the answer is only a sign that the real one is to come."""
        if self._whole:
            return
        status = self._parser.get_status_code()
        if status < _FIRST_FINAL:
            self.headers.clear()
            return
        self.status_code = self._wire.status = status
        self._wire.phase = "headers"
        self._keep = self._parser.should_keep_alive() and not self._headless
        self._open_ended = not ("Content-Length" in self.headers or "Transfer-Encoding" in self.headers)
        self._whole = self._headless

    def on_body(self, data: bytes) -> None:
        """Take a part of the body in."""
        if not self._whole:
            self._body += data
            self._check_size(len(self._body))

    def on_message_complete(self) -> None:
        """Be done, unless it was the sign before the real answer."""
        if self.status_code:
            self._whole = True


def request_head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    """The head of a request as it goes over the wire; names and values were checked before."""
    lines = (f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\n{''.join(lines)}\r\n".encode("latin-1")
