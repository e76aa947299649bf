"""What a permission means, in plain words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapters.kit import Message, N_

if TYPE_CHECKING:
    from adapters.oauth import OAuthProvider

_UNKNOWN = N_("Whatever %(scope)s allows at the provider")


@dataclass(frozen=True, slots=True)
class Permission:
    """One scope. `text` is our sentence; an administrator's own words in the reader's language come before it."""

    scope: str
    text: Message
    chinese: str = ""

    def in_words(self, locale: str) -> Message:
        """The sentence for a reader of this locale; it still has to go through gettext."""
        return Message.wrap(self.chinese) if self.chinese and locale.startswith("zh") else self.text


def permissions(
    provider: type[OAuthProvider] | None, words: str, scopes: Iterable[str]
) -> tuple[Permission, ...]:
    """Each scope in plain words: those of the administrator, else those of the adapter, else its bare name.

    `words` has a line for each scope: `scope = What it allows | 它允许什么`.
    """
    own = _own(words)
    known = provider.scope_words if provider else {}
    return tuple(_permission(scope, own.get(scope), known.get(scope)) for scope in scopes)


def _permission(scope: str, own: tuple[str, str] | None, known: str | None) -> Permission:
    if own:
        return Permission(scope, Message("%(text)s", {"text": own[0]}), own[1])
    return Permission(scope, Message(known) if known else Message.of(_UNKNOWN, scope=scope))


def _own(words: str) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for line in words.splitlines():
        scope, equals, text = line.partition("=")
        english, _, chinese = text.partition("|")
        if equals and english.strip():
            found[scope.strip()] = (english.strip(), chinese.strip())
    return found
