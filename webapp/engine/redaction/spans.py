"""Places to hide in a text, and the text with them hidden."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

MASK = "***"


class Span(NamedTuple):
    """The characters from `start` to before `end` are to be shown as `shown`."""

    start: int
    end: int
    shown: str = MASK


def merged(spans: Iterable[Span]) -> Iterator[Span]:
    """Spans in order, those that overlap or touch as one; hiding only the leftmost would leave the other's tail."""
    current: Span | None = None
    for span in sorted(spans):
        if current is None:
            current = span
        elif span.start < current.end or (span.start == current.end and MASK in {span.shown, current.shown}):
            same = span[:2] == current[:2] and span.shown == current.shown
            current = current if same else Span(current.start, max(current.end, span.end))
        else:
            yield current
            current = span
    if current is not None:
        yield current


def hide(text: str, spans: Iterable[Span], start: int = 0, stop: int | None = None) -> str:
    """The text between two places with every span hidden, also one that begins before or ends behind them."""
    stop = len(text) if stop is None else stop
    parts: list[str] = []
    position = start
    for span in merged(spans):
        if span.end <= start or span.start >= stop:
            continue
        parts += text[position : max(span.start, position)], span.shown
        position = span.end
    parts.append(text[position:stop] if position < stop else "")
    return "".join(parts)
