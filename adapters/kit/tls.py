"""TLS contexts, made once: parsing the list of authorities costs some twenty milliseconds each time."""

from __future__ import annotations

import ssl
from functools import lru_cache

import certifi

from adapters.kit.errors import Effect, Misconfigured
from adapters.kit.text import N_


@lru_cache(maxsize=64)
def tls_context(ca_bundle: str | None = None) -> ssl.SSLContext:
    """Return a context that checks certificates and names; `ca_bundle` (PEM text) replaces the public list."""
    return _context(ca_bundle)


@lru_cache(maxsize=64)
def http_context(ca_bundle: str | None = None) -> ssl.SSLContext:
    """Return a context of its own for HTTP, whose library announces http/1.1 on it, which no mail server speaks."""
    return _context(ca_bundle)


def _context(ca_bundle: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(
            cadata=ca_bundle or None, cafile=None if ca_bundle else certifi.where()
        )
    except (ssl.SSLError, ValueError) as problem:
        raise Misconfigured(
            N_("The certificate authority is not a valid PEM certificate."),
            code="CONFIG_INVALID",
            effect=Effect.NONE,
            field="ca_bundle",
        ) from problem
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
