"""Linked accounts: what people let us do with their accounts elsewhere.

Pages and the API read and act through this package; business code asks `runtime.hub` for a token of a user or makes
a call on behalf of one. Nothing here ever shows a token to anyone but the code that may use it.
"""

from __future__ import annotations

from webapp.links import endings as _endings  # noqa: F401 - adds to what ends
from webapp.links.ending import Ended, disconnect, disconnect_all
from webapp.links.errors import LinkRefused, LinkUnusable
from webapp.links.flow import Linked, finish, start
from webapp.links.operator import ServiceLinks, links_of_service, request_reauthorisation
from webapp.links.reading import (
    LinkView,
    Offer,
    Usage,
    acknowledge,
    available,
    download,
    link_of,
    links_of,
    usage_of,
)
from webapp.links.words import Permission

__all__ = [
    "Ended",
    "LinkRefused",
    "LinkUnusable",
    "LinkView",
    "Linked",
    "Offer",
    "Permission",
    "ServiceLinks",
    "Usage",
    "acknowledge",
    "available",
    "disconnect",
    "disconnect_all",
    "download",
    "finish",
    "link_of",
    "links_of",
    "links_of_service",
    "request_reauthorisation",
    "start",
    "usage_of",
]
