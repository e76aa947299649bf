"""What a search means in SQL: one condition for each term."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlalchemy import Boolean, ColumnElement, false, func, not_, or_

from webapp.log.language import Query, Term
from webapp.log.language_fields import FIELDS, TEXT, Value
from webapp.log.searchtext import matching

Hash = Callable[[str], str]


def conditions(query: Query, hash_recipient: Hash) -> Iterator[ColumnElement[bool]]:
    """Every one must hold. Words that must all be there are looked up together."""
    together: list[str] = []
    for term in query.terms:
        if term.field == TEXT and not term.negated and len(term.values) == 1:
            together += term.values[0].meant
        else:
            yield _condition(term, hash_recipient)
    if together:
        yield matching(together)


def _condition(term: Term, hash_recipient: Hash) -> ColumnElement[bool]:
    found = or_(*(_match(term, value, hash_recipient) for value in term.values))
    # Where a column is empty its value is not the one that is ruled out.
    return not_(func.coalesce(found, false(), type_=Boolean())) if term.negated else found


def _match(term: Term, value: Value, hash_recipient: Hash) -> ColumnElement[bool]:
    return FIELDS[term.field].match(value, term.operator, hash_recipient)
