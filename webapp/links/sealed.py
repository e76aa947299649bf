"""The tokens of links, at rest: sealed as one value under the data key of their service's links."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import CursorResult, delete, insert, select, update
from sqlalchemy.orm import Session

from webapp.models.link import LinkTokens
from webapp.models.secret import DataKey
from webapp.vault import linked
from webapp.vault.errors import ProviderError, SecretUnreadable, word

if TYPE_CHECKING:
    from sqlalchemy import Table

    from webapp.runtime import Runtime

_table = cast("Table", LinkTokens.__table__)
_data_keys = cast("Table", DataKey.__table__)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Opened tokens. Never stored, shown or logged in this form."""

    access: str
    refresh: str | None

    def __repr__(self) -> str:
        return "Tokens(…)"


@dataclass(slots=True)
class _Row:
    id: str
    ct: str


def put(session: Session, runtime: Runtime, link_id: str, service_id: str, tokens: Tokens) -> None:
    """Seal the tokens of a link in place of what was there; raises KeysLocked. The caller commits."""
    # Rows are written past the ORM, so that a renewal does not look like a change of the configuration.
    data_key = runtime.vault.data_key(session, f"links:{service_id}")
    value = json.dumps({"a": tokens.access, "r": tokens.refresh}, separators=(",", ":"))
    sealed = linked.sealed(_Row(link_id, ""), runtime.vault.key_of(data_key), data_key.id, value)
    change = update(_table).where(_table.c.id == link_id)
    done = session.execute(change.values(dek_id=data_key.id, ct=sealed, rev=_table.c.rev + 1))
    if not cast("CursorResult[Any]", done).rowcount:
        session.execute(insert(_table).values(id=link_id, dek_id=data_key.id, ct=sealed, rev=1))
    used = update(_data_keys).where(_data_keys.c.id == data_key.id)
    session.execute(used.values(enc_count=_data_keys.c.enc_count + 1))


def get(session: Session, runtime: Runtime, link_id: str) -> Tokens | None:
    """Open the tokens of a link, None where there are none; raises SecretUnreadable."""
    row = session.execute(select(_table).where(_table.c.id == link_id)).one_or_none()
    return None if row is None else opened(session, runtime, row.id, row.dek_id, row.ct)


def opened(session: Session, runtime: Runtime, link_id: str, key_id: str, ct: str) -> Tokens:
    """Open what a row holds; raises SecretUnreadable."""
    data_key = session.get(DataKey, key_id)
    if data_key is None or data_key.state == "destroyed":
        raise SecretUnreadable(link_id, "destroyed" if data_key else "unknown_key", key_id)
    if runtime.vault.state().locked:
        raise SecretUnreadable(link_id, "locked", key_id)
    try:
        value = linked.unseal(_Row(link_id, ct), runtime.vault.key_of(data_key), key_id)
    except ProviderError as error:
        raise SecretUnreadable(link_id, word(error), key_id) from error
    said = json.loads(value)
    return Tokens(said["a"], said["r"])


def wipe(session: Session, link_id: str) -> None:
    """Delete the tokens of a link; the caller commits."""
    session.execute(delete(_table).where(_table.c.id == link_id))
