"""Many strings searched for at once: an Aho-Corasick automaton, or one search after the other where there is none.

A regular expression of a thousand alternatives needs a second for 64 KiB; the automaton a millisecond, however many
strings it knows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from webapp.engine.redaction.spans import Span

try:
    import ahocorasick_rs
except ImportError:  # no wheel for this machine
    FAST = False
    logging.getLogger(__name__).warning(
        "ahocorasick-rs is missing: redaction is slower, and knows fewer secrets."
    )
else:
    FAST = True

SLOW_MOST = 200  # secrets; more would take too long one by one
_LONG = 2_048  # characters; a longer string, such as a certificate, would make the automaton too large


class Matcher:
    """Finds every occurrence of every pattern, overlapping ones too."""

    def __init__(self, patterns: Iterable[str]) -> None:
        quick: list[str] = []
        slow: list[str] = []
        for pattern in filter(None, set(patterns)):
            fits = FAST and len(pattern) <= _LONG and _is_unicode(pattern)
            (quick if fits else slow).append(pattern)
        self._quick, self._slow = tuple(quick), tuple(slow)
        self.longest = max(map(len, (*quick, *slow)), default=0)
        self._automaton = ahocorasick_rs.AhoCorasick(quick, store_patterns=False) if quick else None

    def __bool__(self) -> bool:
        return bool(self._slow or self._quick)

    def spans(self, text: str) -> list[Span]:
        """Where the patterns are, in no certain order; places that overlap may come as one."""
        found: list[Span] = []
        slow = self._slow
        if self._automaton is not None and (text.isascii() or _is_unicode(text)):
            if matches := self._automaton.find_matches_as_indexes(text, overlapping=True):
                found += _joined(matches)
        else:
            slow += self._quick
        for pattern in slow:
            found += _occurrences(pattern, text)
        return found


def _joined(matches: Iterable[tuple[int, int, int]]) -> Iterator[Span]:
    """Matches that overlap as one; they come in the order of their ends."""
    places: list[tuple[int, int]] = []
    for _, start, end in matches:
        while places and start <= places[-1][1]:
            start = min(start, places.pop()[0])  # noqa: PLW2901 - grows to the left while it swallows
        places.append((start, end))
    return (Span(start, end) for start, end in places)


def _occurrences(pattern: str, text: str) -> Iterator[Span]:
    at = text.find(pattern)
    while at >= 0:
        yield Span(at, at + len(pattern))
        at = text.find(pattern, at + 1)


def _is_unicode(text: str) -> bool:
    """Halves of characters, as broken JSON carries them, are text to Python only."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
