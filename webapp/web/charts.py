"""Charts as SVG, made here: they work without scripts, print, translate, and take their colours from the page.

Geometry only; the words around a chart come from the macros in templates/ui/charts.html. Marks are one path per
tone, because a hundred strips of a hundred rectangles each would be most of the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from markupsafe import Markup

# Drawn from the bottom of a bar to its top.
TONES = ("ok", "warn", "bad", "none")
# A mark's height in a strip tells its tone to those who cannot see its colour.
_STRIP_HEIGHT = {"ok": 12, "warn": 15, "bad": 18, "none": 5}
_MARK, _PITCH = 4, 5
_WIDTH, _HEIGHT = 600, 120
_GAP = 1
_SPARK_WIDTH, _SPARK_HEIGHT = 96, 24
MAX_POINTS = 450


def strip(marks: Sequence[str], label: str) -> Markup:
    """A row of marks, oldest first, each `ok`, `warn`, `bad` or `none`; `label` sums them up in a sentence."""
    paths: dict[str, list[str]] = {}
    top = _STRIP_HEIGHT["bad"]
    for index, tone in enumerate(marks):
        height = _STRIP_HEIGHT[tone]
        paths.setdefault(tone, []).append(f"M{index * _PITCH} {top - height}h{_MARK}v{height}h-{_MARK}z")
    return _svg("strip", max(len(marks) * _PITCH - 1, 1), top, label, _paths(paths))


def sparkline(values: Sequence[float | None], label: str) -> Markup:
    """A small line without axes; a missing value breaks it, many values are thinned to their extremes."""
    points = thin(values)
    known = [value for value in points if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    scale = (_SPARK_HEIGHT - 4) / (high - low) if high > low else 0
    step = _SPARK_WIDTH / max(len(points) - 1, 1)
    path, pen = "", "M"
    for index, value in enumerate(points):
        if value is None:
            pen = "M"
            continue
        y = _SPARK_HEIGHT - 2 - (value - low) * scale if scale else _SPARK_HEIGHT / 2
        path += f"{pen}{_number(index * step)} {_number(y)}"
        pen = "L"
    line = Markup('<path class="mark-line" d="{}"></path>').format(path) if path else Markup("")
    return _svg("sparkline", _SPARK_WIDTH, _SPARK_HEIGHT, label, line)


def curve(values: Sequence[float | None], label: str) -> Markup:
    """A line over time from zero up, as wide as the page; a missing value breaks it."""
    points = thin(values)
    top = max((value for value in points if value is not None), default=0.0) or 1.0
    step = _WIDTH / max(len(points) - 1, 1)
    path, pen = "", "M"
    for index, value in enumerate(points):
        if value is None:
            pen = "M"
            continue
        # A value that stands alone becomes a short dash, because a line of one point is not drawn.
        x, y = _number(index * step), _number(_HEIGHT - 2 - value / top * (_HEIGHT - 4))
        path += f"{pen}{x} {y}" + ("h3" if pen == "M" else "")
        pen = "L"
    grid = Markup('<path class="mark-grid" d="M0 .5h{w}M0 {m}h{w}"></path>').format(w=_WIDTH, m=_HEIGHT / 2)
    line = Markup('<path class="mark-line" d="{}"></path>').format(path) if path else Markup("")
    return _svg("bars", _WIDTH, _HEIGHT, label, grid + line, stretch=True)


def lines(values: Mapping[str, Sequence[float | None]], label: str) -> Markup:
    """Several lines over the same time from zero up, each named for its style; a missing value breaks a line."""
    known = [value for line in values.values() for value in line if value is not None]
    top = max(known, default=0.0) or 1.0
    grid = Markup('<path class="mark-grid" d="M0 .5h{w}M0 {m}h{w}"></path>').format(w=_WIDTH, m=_HEIGHT / 2)
    shape = Markup('<path class="mark-line mark-{}" d="{}"></path>')
    drawn = [shape.format(name, path) for name, line in values.items() if (path := _line(line, top))]
    return _svg("bars", _WIDTH, _HEIGHT, label, grid + Markup("").join(drawn), stretch=True)


def _line(values: Sequence[float | None], top: float) -> str:
    """A point in the middle of each step; one that stands alone becomes a short dash."""
    step = _WIDTH / max(len(values), 1)
    path, pen = "", "M"
    for index, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        alone = pen == "M" and (index + 1 == len(values) or values[index + 1] is None)
        x, y = _number((index + 0.5) * step), _number(_HEIGHT - 2 - value / top * (_HEIGHT - 4))
        path += f"{pen}{x} {y}" + ("h3" if alone else "")
        pen = "L"
    return path


def thin(values: Sequence[float | None], limit: int = MAX_POINTS) -> list[float | None]:
    """Keep the lowest and the highest value of each stretch, so that a spike survives and the page stays small."""
    if len(values) <= limit:
        return list(values)
    groups = limit // 2
    edges = [round(index * len(values) / groups) for index in range(groups + 1)]
    kept: list[float | None] = []
    for start, end in pairwise(edges):
        known = [value for value in values[start:end] if value is not None]
        kept += [min(known), max(known)] if known else [None, None]
    return kept


@dataclass(frozen=True, slots=True)
class Bucket:
    """What happened in one stretch of time: how often, by tone."""

    start: datetime
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How much happened at all."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Histogram:
    """Stacked bars over time, and the numbers that stand beside them."""

    buckets: Sequence[Bucket]
    step: timedelta

    @property
    def top(self) -> int:
        """The height of the tallest bar."""
        return max((bucket.total for bucket in self.buckets), default=0)

    @property
    def totals(self) -> dict[str, int]:
        """The sum of each tone that occurs at all."""
        sums = {tone: sum(bucket.counts.get(tone, 0) for bucket in self.buckets) for tone in TONES}
        return {tone: number for tone, number in sums.items() if number}

    @property
    def ticks(self) -> list[datetime]:
        """Five times for the axis, evenly spread, the end included."""
        if not self.buckets:
            return []
        start, span = self.buckets[0].start, self.step * len(self.buckets)
        return [start + span * part / 4 for part in range(5)]

    def svg(self, label: str) -> Markup:
        """Draw the bars; the brush of app.js reads the time of a bar from its position."""
        paths: dict[str, list[str]] = {}
        width, top = _WIDTH / max(len(self.buckets), 1), self.top
        for index, bucket in enumerate(self.buckets):
            foot = float(_HEIGHT)
            for tone in TONES:
                if not (count := bucket.counts.get(tone, 0)):
                    continue
                height = max(count / top * _HEIGHT, 1)
                foot -= height
                left, bar = _number(index * width), _number(max(width - _GAP, 1))
                paths.setdefault(tone, []).append(f"M{left} {_number(foot)}h{bar}v{_number(height)}h-{bar}z")
        grid = Markup('<path class="mark-grid" d="M0 .5h{w}M0 {m}h{w}"></path>').format(
            w=_WIDTH, m=_HEIGHT / 2
        )
        return _svg("bars", _WIDTH, _HEIGHT, label, grid + _paths(paths), stretch=True)


def _paths(paths: Mapping[str, Sequence[str]]) -> Markup:
    shape = Markup('<path class="mark-{}" d="{}"></path>')
    return Markup("").join(shape.format(tone, "".join(paths[tone])) for tone in TONES if tone in paths)


def _svg(
    kind: str, width: float, height: float, label: str, content: Markup, *, stretch: bool = False
) -> Markup:
    how = Markup(' preserveAspectRatio="none"') if stretch or kind == "strip" else Markup("")
    return Markup('<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}"{}>{}</svg>').format(
        kind, width, height, label, how, content
    )


def _number(value: float) -> str:
    """A coordinate with one decimal, without a trailing zero."""
    return f"{value:.1f}".removesuffix(".0")
