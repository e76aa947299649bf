"""What an exception of the transport means: the phase decides the effect, the inner-most cause the code.

Libraries wrap the same accident in different classes, and different accidents in the same one: a TLS handshake
that stalls is a ReadTimeout, a body that stalls a ConnectionError. Only what had left us by then is certain.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator
from typing import Literal

import requests
import urllib3.exceptions as pool

from adapters.kit.errors import Effect, Fault, Unreachable, Unsure
from adapters.kit.text import Message, N_

Phase = Literal["none", "connecting", "connected", "sending", "sent", "headers", "done"]

_TEXTS = {
    "CONNECT_REFUSED": N_("The connection was refused."),
    "CONNECT_TIMEOUT": N_("The server does not answer."),
    "CONNECT_UNREACHABLE": N_("The server cannot be reached."),
    "DNS_FAILURE": N_("The name could not be resolved."),
    "TLS_CERT_INVALID": N_("The server's certificate is not trusted."),
    "TLS_HANDSHAKE_FAILED": N_("No encrypted connection could be made."),
    "PROXY_FAILURE": N_("The proxy does not work."),
    "SEND_FAILED": N_("The connection failed while the request was being sent."),
    "CONNECTION_LOST": N_("The connection was lost before the answer came."),
    "READ_TIMEOUT": N_("The answer did not come in time."),
    "RESPONSE_TRUNCATED": N_("The answer ended too early."),
    "MALFORMED_RESPONSE": N_("The answer could not be read."),
    "DEADLINE_EXCEEDED": N_("The time allowed for the whole call is over."),
}
_UNSENT: frozenset[Phase] = frozenset({"connecting", "connected"})

# Order matters: RemoteDisconnected is a BadStatusLine, an invalid chunk is an IncompleteRead.
_READING: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((http.client.RemoteDisconnected, ConnectionError), "CONNECTION_LOST"),
    ((TimeoutError, pool.ReadTimeoutError, requests.ReadTimeout), "READ_TIMEOUT"),
    (
        (pool.InvalidChunkLength, pool.DecodeError, requests.exceptions.ContentDecodingError),
        "MALFORMED_RESPONSE",
    ),
    ((http.client.IncompleteRead, pool.IncompleteRead), "RESPONSE_TRUNCATED"),
    ((http.client.HTTPException, ValueError), "MALFORMED_RESPONSE"),
    ((ssl.SSLError, OSError), "CONNECTION_LOST"),
)
_BY_CHAIN: tuple[tuple[tuple[type[BaseException], ...], str, Effect], ...] = (
    ((ssl.SSLCertVerificationError,), "TLS_CERT_INVALID", Effect.NONE),
    ((socket.gaierror, pool.NameResolutionError), "DNS_FAILURE", Effect.NONE),
    ((requests.exceptions.ProxyError, pool.ProxyError), "PROXY_FAILURE", Effect.NONE),
    ((ConnectionRefusedError, pool.NewConnectionError), "CONNECT_REFUSED", Effect.NONE),
    ((requests.ConnectTimeout, pool.ConnectTimeoutError), "CONNECT_TIMEOUT", Effect.NONE),
)


def fault_of(
    problem: BaseException, phase: Phase, *, cut: bool = False, deadline_bound: bool = False
) -> Fault:
    """Name the fault; `cut` says that the watchdog fired, `deadline_bound` that it did so for the whole call."""
    if isinstance(problem, Fault):
        return problem
    chain = list(_inner_first(problem))
    code, effect = _meaning(chain, phase)
    if cut and deadline_bound:
        code = "DEADLINE_EXCEEDED"
    elif cut and phase in {"sent", "headers", "connected"}:
        code = "READ_TIMEOUT"
    return _fault(code, effect, " < ".join(type(link).__name__ for link in chain), chain)


def out_of_time(deadline_bound: bool) -> Fault:
    """Return the fault of an attempt that has no time left to begin."""
    return _fault("DEADLINE_EXCEEDED" if deadline_bound else "READ_TIMEOUT", Effect.NONE)


def cut_off(deadline_bound: bool) -> Fault:
    """Return the fault of a conversation that the watchdog ended after the request had left."""
    return _fault("DEADLINE_EXCEEDED" if deadline_bound else "READ_TIMEOUT", Effect.UNKNOWN)


def _meaning(chain: list[BaseException], phase: Phase) -> tuple[str, Effect]:
    encrypting = phase == "connecting" or (phase == "connected" and _any_of(chain, ssl.SSLError))
    if encrypting:
        untrusted = _any_of(chain, ssl.SSLCertVerificationError)
        return ("TLS_CERT_INVALID" if untrusted else "TLS_HANDSHAKE_FAILED"), Effect.NONE
    if phase == "sending":
        return "SEND_FAILED", Effect.UNKNOWN
    if phase == "none":
        for link in chain:
            for kinds, code, effect in _BY_CHAIN:
                if isinstance(link, kinds):
                    return code, effect
    return _reading(chain), Effect.NONE if phase in _UNSENT else Effect.UNKNOWN


def _reading(chain: list[BaseException]) -> str:
    for link in chain:
        if isinstance(link, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            continue  # wrappers say nothing, and are OSErrors themselves
        for kinds, code in _READING:
            if isinstance(link, kinds):
                return code
    return "CONNECTION_LOST"


def _any_of(chain: list[BaseException], kind: type[BaseException]) -> bool:
    return any(isinstance(link, kind) for link in chain)


def _inner_first(problem: BaseException) -> Iterator[BaseException]:
    """Walk to the first cause: by `reason`, by `args` (how requests and urllib3 wrap) and by `__cause__`."""
    seen: list[BaseException] = []
    link: BaseException | None = problem
    while link is not None and link not in seen:
        seen.append(link)
        inner = [getattr(link, "reason", None), *link.args, link.__cause__, link.__context__]
        link = next((item for item in inner if isinstance(item, BaseException) and item not in seen), None)
    return reversed(seen)


def _fault(code: str, effect: Effect, detail: str = "", chain: list[BaseException] | None = None) -> Fault:
    text = Message(_TEXTS[code])
    for link in chain or []:
        if code == "TLS_CERT_INVALID" and isinstance(link, ssl.SSLCertVerificationError):
            text = Message.of(
                N_("The server's certificate is not trusted: %(reason)s."), reason=link.verify_message
            )
    word = Unreachable if effect is Effect.NONE else Unsure
    return word(text, code=code, effect=effect, detail=detail or None)
