"""Adding rows of the roll-ups up: many at once, because charts read hundreds of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from webapp.log.rollups_tables import SUMS
from webapp.log.rollups_tally import Tally

_NOTHING = "{}"
_COUNT = len(SUMS)


def tally_of_rows(rows: Sequence[Sequence[Any]]) -> Tally:
    """What several rows add up to; each holds the sums in their order, then codes and latencies as JSON text."""
    columns = tuple(zip(*rows, strict=True))
    tally = Tally(codes=_merged(columns[_COUNT]), latencies=_numbered(_merged(columns[_COUNT + 1])))
    return tally.set_sums(sum(column) for column in columns[:_COUNT])


def together(tallies: Iterable[Tally]) -> Tally:
    """Several as one, without changing them."""
    parts = [tally for tally in tallies if tally.total or tally]
    sums = (sum(getattr(part, name) for part in parts) for name in SUMS)
    codes, latencies = (_added([getattr(part, name) for part in parts]) for name in ("codes", "latencies"))
    return Tally(codes=codes, latencies=latencies).set_sums(sums)


def _merged(texts: Iterable[str]) -> dict[str, int]:
    """One reading of all texts together is cheaper than one of each."""
    told = [text for text in texts if text != _NOTHING]
    return _added(json.loads(f"[{','.join(told)}]")) if told else {}


def _added(spreads: Sequence[Mapping[Any, int]]) -> dict[Any, int]:
    if not spreads:
        return {}
    total = dict(spreads[0])
    have = total.get
    for spread in spreads[1:]:
        for key, count in spread.items():
            total[key] = have(key, 0) + count
    return {key: count for key, count in total.items() if count}


def _numbered(spread: Mapping[str, int]) -> dict[int, int]:
    return {int(key): count for key, count in spread.items()}
