"""The end of a link: revoked at the provider where that is possible, wiped here in any case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from webapp.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a link that was ended. Here it is gone in any case.

    `at_provider` is revoked, unsupported (the provider has no way to do it), refused, or away (it did not answer);
    unless it is revoked, the person can end it at `manage_url` themselves, where the provider has such a page.
    """

    link_id: str
    service_id: str
    provider: str
    account_label: str
    at_provider: str
    manage_url: str | None


def disconnect(runtime: Runtime, link_id: str, *, actor: str, user_id: str | None = None) -> Ended | None:
    """End a link: wipe its tokens here first, then ask the provider to revoke them.

    None where there is no such link (or it is somebody else's than `user_id`, or ended already). Whatever the
    provider answers, the link is ended. Opens sessions of its own; no transaction is open while it asks.
    """
    raise NotImplementedError


def disconnect_all(runtime: Runtime, user_id: str, *, actor: str) -> Sequence[Ended]:
    """End every link of a person, as `disconnect`."""
    raise NotImplementedError
