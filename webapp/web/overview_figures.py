"""Traffic in words, figures and charts: what the overview and the page of a service say of one range of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask_babel import format_decimal, format_percent, gettext, ngettext

from adapters.kit import Message, N_
from webapp.extensions import runtime
from webapp.log.metrics import RANGES, USUAL, Metrics
from webapp.log.rollups_buckets import SHARES
from webapp.log.rollups_tally import Tally
from webapp.web.charts import Bucket, Histogram, lines
from webapp.web.i18n import say

RANGE_LABELS: Mapping[str, str] = {
    "1h": N_("1 hour"), "6h": N_("6 hours"), "24h": N_("24 hours"), "7d": N_("7 days"), "30d": N_("30 days"),
    "90d": N_("90 days"), "400d": N_("400 days"),
}  # fmt: skip
MILLION = 1_000_000
_SHOWN_CODES = 10


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its name, what stands beside it, and how it was before."""

    name: str
    value: str
    unit: str = ""
    more: str = ""
    change: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error code, how often it occurred and its share of all that went wrong."""

    code: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Latency:
    """The chart of the percentiles and the numbers behind it."""

    values: Mapping[str, Sequence[int | None]]
    starts: Sequence[datetime]

    @property
    def top(self) -> int:
        """The highest value of all."""
        return max((value for line in self.values.values() for value in line if value is not None), default=0)

    @property
    def svg(self) -> str:
        """The drawing; its label names the highest value."""
        words = gettext("Latency over time; at most %(ms)s ms", ms=format_decimal(self.top))
        return lines(self.values, words)


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything about one subject over one range."""

    metrics: Metrics
    sentence: str
    numbers: Sequence[Figure]
    chart: Histogram
    latency: Latency
    failures: Sequence[Failure]

    @property
    def range(self) -> str:
        """The key of the range."""
        return self.metrics.name


def wanted_range(given: str | None) -> str:
    """A range that exists."""
    return given if given and given in RANGES else USUAL


def figures(range_: str, scope: str, key: str = "") -> Figures:
    """Gather it from the roll-ups."""
    found = runtime().metrics.look(range_, scope, key)
    return Figures(
        found, _sentence(found), _numbers(found), _chart(found), _latency(found), _failures(found.now)
    )


def share(value: float | None) -> str:
    """A share in the reader's notation; a dash when there was nothing."""
    return "–" if value is None else str(format_percent(value, "0.##%"))


def money(millionths: int) -> str:
    """An amount in the currency of the prices."""
    return str(format_decimal(millionths / MILLION, "#,##0.00##"))


def _sentence(found: Metrics) -> str:
    """The range in one sentence; what is special about it comes first."""
    now, label = found.now, say(RANGE_LABELS[found.name])
    if not now.total:
        return str(gettext("No calls in the last %(range)s.", range=label))
    told = ngettext(
        "%(num)s call in the last %(range)s; %(share)s succeeded, half took at most %(ms)s ms.",
        "%(num)s calls in the last %(range)s; %(share)s succeeded, half took at most %(ms)s ms.",
        now.total, range=label, share=share(now.success_rate), ms=_ms(now.percentile(0.5)),
    )  # fmt: skip
    return str(told).replace(str(now.total), format_decimal(now.total), 1)


def _numbers(found: Metrics) -> list[Figure]:
    now, before = found.now, found.before
    tail = gettext("99 of 100 within %(ms)s ms", ms=_ms(now.percentile(0.99)))
    bad = gettext("%(failed)s failed, %(unknown)s unknown", failed=format_decimal(now.failed), unknown=format_decimal(now.unknown))  # fmt: skip
    numbers = [
        Figure(gettext("Calls"), format_decimal(now.total), change=_more(now.total, before.total if before is not None else None)),
        Figure(gettext("Success rate"), share(now.success_rate), more=bad if now.total else "", change=_points(now, before)),
        Figure(gettext("95 of 100 within"), _ms(now.percentile(0.95)), "ms" if now.latencies else "", more=tail if now.latencies else "", change=_faster(now, before)),
        Figure(gettext("Tries after the first"), format_decimal(now.retries), change=_was(before, "retries")),
        Figure(gettext("By a fallback"), format_decimal(now.fallbacks), change=_was(before, "fallbacks")),
    ]  # fmt: skip
    if now.cost or (before and before.cost):
        was = gettext("before: %(number)s", number=money(before.cost)) if before is not None else ""
        numbers.append(Figure(gettext("Cost"), money(now.cost), change=was))
    return numbers


def _ms(value: int | None) -> str:
    return "–" if value is None else _number(value)


def _was(before: Tally | None, name: str) -> str:
    if before is None:
        return ""
    return str(gettext("before: %(number)s", number=_number(getattr(before, name))))


def _number(value: int) -> str:
    return str(format_decimal(value))


def _more(now: int, before: int | None) -> str:
    """How much traffic there is compared with the time before."""
    if before is None or (not before and not now):
        return ""
    if not before:
        return str(gettext("none before"))
    if now == before:
        return str(gettext("as many as before"))
    sentence = N_("%(share)s more than before (%(number)s)") if now > before else N_("%(share)s fewer than before (%(number)s)")  # fmt: skip
    change = format_percent(abs(now - before) / before, "#,##0%")
    return say(Message.of(sentence, share=change, number=format_decimal(before)))


def _points(now: Tally, before: Tally | None) -> str:
    """How the success rate moved, in points: a share of a share would say something else."""
    if not before or before.success_rate is None or now.success_rate is None:
        return ""
    points = round((now.success_rate - before.success_rate) * 100, 2)
    if not points:
        return str(gettext("as good as before"))
    sentence = N_("%(points)s points better than before (%(share)s)") if points > 0 else N_("%(points)s points worse than before (%(share)s)")  # fmt: skip
    return say(Message.of(sentence, points=format_decimal(abs(points)), share=share(before.success_rate)))


def _faster(now: Tally, before: Tally | None) -> str:
    """How the 95th percentile moved; less than what it can be told apart by is nothing."""
    mine, theirs = now.percentile(0.95), before.percentile(0.95) if before else None
    if mine is None or theirs is None:
        return ""
    if abs(mine - theirs) <= max(1, 0.1 * theirs):
        return str(gettext("about as fast as before (%(ms)s ms)", ms=format_decimal(theirs)))
    sentence = N_("faster than before (%(ms)s ms)") if mine < theirs else N_("slower than before (%(ms)s ms)")
    return say(Message.of(sentence, ms=format_decimal(theirs)))


def _chart(found: Metrics) -> Histogram:
    bars = [
        Bucket(
            start,
            {
                "ok": step.succeeded - step.retried,
                "warn": step.retried,
                "bad": step.failed,
                "none": step.unknown,
            },
        )
        for start, step in zip(found.starts, found.steps, strict=True)
    ]
    return Histogram(bars, found.step)


def _latency(found: Metrics) -> Latency:
    values = {
        name.removesuffix("_ms"): [step.percentile(part) for step in found.steps]
        for name, part in SHARES.items()
    }
    return Latency(values, found.starts)


def _failures(now: Tally) -> list[Failure]:
    wrong = sum(now.codes.values())
    ordered = sorted(now.codes.items(), key=lambda item: (-item[1], item[0]))
    return [Failure(code, count, count / wrong) for code, count in ordered[:_SHOWN_CODES]]
