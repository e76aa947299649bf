"""Settings of whatever watches Patchbay from outside: who may read its metrics, and whether it tells traces."""

from __future__ import annotations

from importlib.util import find_spec
from ipaddress import ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from webapp.config import Reader

PLAIN = ("METRICS_ALLOW", "OTEL")


def networks(reader: Reader, name: str) -> tuple[str, ...]:
    """Return networks; an address alone is a network of one."""
    given = [text.strip() for text in (reader.text(name) or "").split(",") if text.strip()]
    try:
        return tuple(str(ip_network(text, strict=False)) for text in given)
    except ValueError:
        reader.refuse(name, "must be networks such as 10.0.0.0/8, separated by commas.")


def otel(reader: Reader) -> bool:
    """Return whether traces are told; what that needs must be installed."""
    wanted = reader.boolean("OTEL")
    if wanted and (find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None):
        reader.refuse("OTEL", "needs more packages: pip install -r requirements-otel.txt")
    return wanted
