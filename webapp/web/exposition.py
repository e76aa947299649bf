"""The text that Prometheus reads: families of samples, written by the rules of its format, version 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from webapp.log.rollups_buckets import at_most
from webapp.log.rollups_tally import Tally

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Upper ends of the buckets of a histogram, as powers of two in milliseconds: 1 ms to 131 s. There the sums are exact.
DOUBLINGS = range(18)
Labels = Mapping[str, str]
Sample = tuple[str, Labels, float]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its name, its kind, what it means, and its samples (suffix of the name, labels, value)."""

    name: str
    kind: str
    help: str
    samples: Iterable[Sample]

    def lines(self) -> Iterator[str]:
        """The family as text."""
        yield f"# HELP {self.name} {self.help}"
        yield f"# TYPE {self.name} {self.kind}"
        for suffix, labels, value in self.samples:
            inner = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
            yield (
                f"{self.name}{suffix}{{{inner}}} {_number(value)}"
                if inner
                else f"{self.name}{suffix} {_number(value)}"
            )


def text_of(families: Iterable[Family]) -> str:
    """All of them, one line each."""
    return "".join(f"{line}\n" for family in families for line in family.lines())


def gauge(name: str, help_: str, samples: Iterable[tuple[Labels, float]]) -> Family:
    """A value of now."""
    return Family(name, "gauge", help_, [("", labels, value) for labels, value in samples])


def counter(name: str, help_: str, samples: Iterable[tuple[Labels, float]]) -> Family:
    """A value that only grows."""
    return Family(name, "counter", help_, [("", labels, value) for labels, value in samples])


def latencies(name: str, help_: str, tallies: Iterable[tuple[Labels, Tally]]) -> Family:
    """How long things took, in seconds, as a histogram."""
    return Family(name, "histogram", help_, _buckets(tallies))


def _buckets(tallies: Iterable[tuple[Labels, Tally]]) -> Iterator[Sample]:
    for labels, tally in tallies:
        for doublings in DOUBLINGS:
            yield "_bucket", {**labels, "le": str(2**doublings / 1000)}, at_most(tally.latencies, doublings)
        timed = sum(tally.latencies.values())
        yield "_bucket", {**labels, "le": "+Inf"}, timed
        yield "_sum", labels, tally.duration_ms / 1000
        yield "_count", labels, timed


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
