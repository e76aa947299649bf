"""What follows from the conditions of a search, in words that the indexes understand; it never changes what is found.

An index of some rows only is used when a condition says in so many words that no other row counts; a parameter does
not say that. And whatever equals one of the texts that are searched has all its words there.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BindParameter, BooleanClauseList, Column, ColumnElement, text
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, Grouping

from webapp.log.searchtext import SEARCHED
from webapp.log.tables import call_logs
from webapp.log.words import words

# The conditions of the partial indexes, and when the value of a comparison lies within.
_OTHER_OUTCOME, _SLOW = "call_logs.outcome <> 'succeeded'", "call_logs.duration_ms >= 1000"
_REPEATED, _FAILED = "call_logs.attempt_no > 1", "call_logs.response_status_code >= 400"
_OTHER_KIND = "call_logs.kind <> 'attempt'"
_Test = Callable[[Any], bool]
_RULES: Mapping[tuple[str, Any], tuple[str, _Test]] = {
    ("outcome", operator.eq): (_OTHER_OUTCOME, lambda value: value != "succeeded"),
    ("kind", operator.eq): (_OTHER_KIND, lambda value: value != "attempt"),
    ("duration_ms", operator.eq): (_SLOW, lambda value: value >= 1000),  # noqa: PLR2004
    ("duration_ms", operator.ge): (_SLOW, lambda value: value >= 1000),  # noqa: PLR2004
    ("duration_ms", operator.gt): (_SLOW, lambda value: value >= 999),  # noqa: PLR2004
    ("attempt_no", operator.eq): (_REPEATED, lambda value: value > 1),
    ("attempt_no", operator.ge): (_REPEATED, lambda value: value > 1),
    ("attempt_no", operator.gt): (_REPEATED, lambda value: value >= 1),
    ("response_status_code", operator.eq): (_FAILED, lambda value: value >= 400),  # noqa: PLR2004
    ("response_status_code", operator.ge): (_FAILED, lambda value: value >= 400),  # noqa: PLR2004
    ("response_status_code", operator.gt): (_FAILED, lambda value: value >= 399),  # noqa: PLR2004
}
_WORDED = frozenset(SEARCHED[:3])  # those after them have an index of their own, or are never compared


@dataclass(slots=True)
class Hints:
    """Conditions of partial indexes, and words that every attempt must have that has come to its end."""

    partial: frozenset[str] = frozenset()
    words: list[str] = field(default_factory=list)

    @property
    def clauses(self) -> list[ColumnElement[bool]]:
        """The conditions as SQL."""
        return [text(one) for one in sorted(self.partial)]  # type: ignore[misc]


def hints(conditions: Iterable[ColumnElement[bool]]) -> Hints:
    """What follows from conditions that must all hold."""
    found = Hints()
    for one in conditions:
        found.partial |= _partial(one)
        found.words += _words(one)
    return found


def _partial(condition: Any) -> frozenset[str]:
    if isinstance(condition, Grouping):
        return _partial(condition.element)
    if isinstance(condition, BooleanClauseList):
        sides = [_partial(one) for one in condition.clauses]
        if condition.operator is operators.or_:
            return frozenset.intersection(*sides)
        return frozenset.union(*sides) if condition.operator is operators.and_ else frozenset()
    if not isinstance(condition, BinaryExpression) or not isinstance(condition.left, Column):
        return frozenset()
    compared: Any = condition.operator
    right: Any = condition.right
    if compared is operators.between_op:
        compared, right = operator.ge, right.clauses[0]
    several = compared is operators.in_op
    rule = _RULES.get((condition.left.name, operator.eq if several else compared))
    if not rule or condition.left.table is not call_logs or not isinstance(right, BindParameter):
        return frozenset()
    clause, test = rule
    values = right.value if several else [right.value]
    return frozenset({clause}) if values and all(map(test, values)) else frozenset()


def _words(condition: Any) -> list[str]:
    if isinstance(condition, Grouping):
        return _words(condition.element)
    if not isinstance(condition, BinaryExpression) or not isinstance(condition.left, Column):
        return []
    column, value = condition.left, condition.right
    if column.table is not call_logs or column.name not in _WORDED or condition.operator is not operator.eq:
        return []
    return words(value.value) if isinstance(value, BindParameter) and isinstance(value.value, str) else []
