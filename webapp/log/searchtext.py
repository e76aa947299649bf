"""What is found of an attempt when somebody searches for words, and the condition that finds it on either database.

The words of an attempt lie in `call_words`, written with its end: on SQLite a full-text index that keeps nothing but
words, on PostgreSQL an array under a GIN index. All words of a search must be there; their order does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Text, bindparam, false
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.visitors import InternalTraversal

from webapp.log.tables import call_logs
from webapp.log.words import words

SEARCHED_MAX = 32  # words of one search
LOW, HIGH = (
    "window_low",
    "window_high",
)  # the log looks for words from these ids up to that one, newest window first
# Exactly these columns of `call_logs` are searched, and whatever equals one of the first four has all its words there:
# a text too long for all its words comes after them.
SEARCHED = (
    "operation", "integration_point", "service_type", "code", "vendor_code", "correlation_id", "recipient_mask",
    "request_endpoint", "vendor_request_id", "error_message", "vendor_message", "caller",
)  # fmt: skip
_FAILED = 400


def words_of(row: Mapping[str, Any]) -> list[str]:
    """The words of an attempt, given its row; the status counts where it tells of a failure."""
    status = row.get("response_status_code")
    failed = str(status) if status and status >= _FAILED else None
    return words(failed, *map(row.get, SEARCHED))


class Hits(ColumnElement[Any]):
    """The ids of attempts that have certain words, within a window of ids; each database has its own way."""

    __visit_name__ = "hits"
    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012 - the name and form SQLAlchemy asks for
        (name, InternalTraversal.dp_clauseelement) for name in ("text", "array", "low", "high")
    ]

    def __init__(self, wanted: list[str]) -> None:
        self.text = bindparam(None, " ".join(f'"{word}"' for word in wanted), Text(), unique=True)
        self.array = bindparam(None, wanted, ARRAY(Text()), unique=True)
        self.low = bindparam(LOW, 0, BigInteger())
        self.high = bindparam(HIGH, 2**63 - 1, BigInteger())


def matching(tokens: Iterable[str]) -> ColumnElement[bool]:
    """Attempts that have all these words, which came from `words()`; without any word, none has."""
    wanted = list(dict.fromkeys(tokens))[:SEARCHED_MAX]
    if not wanted:
        return false()
    return call_logs.c.log_id.bool_op("IN")(Hits(wanted))


@compiles(Hits, "sqlite")
def _full_text(hits: Hits, compiler: SQLCompiler, **options: Any) -> str:
    text, low, high = (compiler.process(one, **options) for one in (hits.text, hits.low, hits.high))
    return (
        f"(SELECT rowid FROM call_words WHERE call_words MATCH {text} AND rowid >= {low} AND rowid <= {high})"  # noqa: S608 - parameters
    )


@compiles(Hits, "postgresql")
def _array(hits: Hits, compiler: SQLCompiler, **options: Any) -> str:
    """An array of ids is made first and once: no plan may walk through all attempts looking for rare words."""
    array, low, high = (compiler.process(one, **options) for one in (hits.array, hits.low, hits.high))
    found = f"SELECT log_id FROM call_words WHERE words @> {array} AND log_id >= {low} AND log_id <= {high}"  # noqa: S608 - parameters
    return f"(SELECT unnest(ARRAY({found})))"
