"""Where sealed values are: every table that holds some says here how to open and seal them anew.

What is sealed through `Vault.seal` is a row of `secrets` and needs nothing more. A table that keeps ciphertext of
its own marks the column with `info=SEALED`, has the columns `id`, `dek_id` and `rev`, and registers a holder;
a test fails for a marked column, or for ciphertext found anywhere, that no holder covers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Column, Table

from webapp.models.link import LinkTokens
from webapp.models.secret import SEALED, DataKey, Secret
from webapp.vault import linked, rows


@dataclass(frozen=True, slots=True)
class Holder:
    """One table with sealed values in its column `ct`, and how they are bound to their rows."""

    table: Table
    columns: Sequence[Column[Any]]
    """What is read of a row: at least id, dek_id, rev and ct, and all that the value is bound to."""
    unseal: Callable[[Any, AESGCM, str], str]
    """Open the value of a row under the data key of an id; raises Corrupt."""
    seal: Callable[[Any, AESGCM, str, str], str]
    """Seal a value for a row under the data key of an id."""


def _table(model: Any) -> Table:
    table = model.__table__
    assert isinstance(table, Table)
    return table


_columns = _table(Secret).c
SECRETS = Holder(
    table=_table(Secret),
    columns=[
        _columns[name] for name in ("id", "owner_type", "owner_id", "field", "dek_id", "ct", "rev", "kind")
    ],
    unseal=rows.unseal_from,
    seal=rows.sealed,
)
_link_columns = _table(LinkTokens).c
LINK_TOKENS = Holder(
    table=_table(LinkTokens),
    columns=[_link_columns[name] for name in ("id", "dek_id", "ct", "rev")],
    unseal=linked.unseal,
    seal=linked.sealed,
)
_holders: list[Holder] = [SECRETS, LINK_TOKENS]


def register(holder: Holder) -> None:
    """Let rotation, the doctor and the destruction of data keys know of one more table."""
    if all(known.table is not holder.table for known in _holders):
        _holders.append(holder)


def holders() -> list[Holder]:
    """Every table with sealed values."""
    return list(_holders)


def covered() -> set[tuple[str, str]]:
    """The table and column of everything that rotation reaches: sealed values, and the wrapped data keys."""
    return {(holder.table.name, "ct") for holder in holders()} | {(_table(DataKey).name, "wrapped")}


def marked(tables: Sequence[Table]) -> set[tuple[str, str]]:
    """The table and column of everything that is declared as sealed."""
    return {
        (table.name, column.name)
        for table in tables
        for column in table.c
        if SEALED.items() <= column.info.items()
    }
