"""Moving rows to newer keys, a batch at a time: each batch is a transaction of its own.

A process that dies leaves whole batches behind; whoever begins again finds what is left by looking at the rows.
A row that somebody else changed meanwhile is left to the next pass: each update names the `rev` that was read.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import ColumnElement, Row, exists, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from webapp.models.secret import DataKey
from webapp.vault import rows
from webapp.vault.errors import Corrupt, Denied, KeyDisabled, KeyMissing, ProviderError, Unavailable
from webapp.vault.holders import Holder, holders
from webapp.vault.keyset import Keyset, context_of

if TYPE_CHECKING:
    from webapp.runtime import Runtime

BATCH = 200
# Random nonces of 96 bits are safe for 2^32 values of a key; this stays far below.
MOST_USES = 2**28
# Nothing was wrong with the row: the provider is away, so the whole pass waits.
AWAY = (Unavailable, Denied, KeyDisabled)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction did."""

    done: int
    failed: int = 0


def rewrap(runtime: Runtime, *, everything: bool = False, size: int = BATCH) -> Iterator[Batch]:
    """Wrap data keys anew with the primary key; with `everything`, also those it wrapped, perhaps an older version.

    Raises the provider's errors when it is away; a data key that cannot be unwrapped is counted and left.
    """
    after = ""
    while True:
        with runtime.sessions() as session:
            primary = rows.primary_id(session)
            if primary is None:
                raise KeyMissing("No key is set to wrap data keys.")
            page = list(
                session.scalars(_to_rewrap(primary, everything).where(DataKey.id > after).limit(size))
            )
        if not page:
            return
        after = page[-1].id
        blobs = {key.id: _rewrapped(runtime.vault.keys, key, primary) for key in page}
        yield _store_blobs(runtime, page, blobs, primary)


def _to_rewrap(primary: str, everything: bool) -> Any:
    query = select(DataKey).where(DataKey.state != "destroyed").order_by(DataKey.id)
    return query if everything else query.where(DataKey.kek_id != primary)


def _rewrapped(keys: Keyset, key: DataKey, primary: str) -> str | None:
    """The data key wrapped anew, opened once more to be sure; None when it cannot be opened at all."""
    try:
        target, context = keys.get(primary), context_of(key)
        dek = keys.unwrap(key)
        blob = (
            target.rewrap([(key.wrapped, context)])[0] if key.kek_id == primary else target.wrap(dek, context)
        )
        if not hmac.compare_digest(target.unwrap(blob, context), dek):
            raise Corrupt("The provider does not give back what it wrapped.")
    except AWAY:
        raise
    except ProviderError:
        return None
    return blob


def _store_blobs(
    runtime: Runtime, page: Sequence[DataKey], blobs: dict[str, str | None], primary: str
) -> Batch:
    done = 0
    with runtime.sessions() as session:
        for key in page:
            if (blob := blobs[key.id]) is not None:
                change = update(DataKey).where(DataKey.id == key.id, DataKey.rev == key.rev)
                change = change.where(DataKey.state != "destroyed")
                done += _count(session, change.values(kek_id=primary, wrapped=blob, rev=key.rev + 1))
        session.commit()
    return Batch(done, sum(blob is None for blob in blobs.values()))


def rotate(runtime: Runtime, *, before: datetime, size: int = BATCH) -> Iterator[Batch]:
    """Give each scope whose active data key was made before a moment a new one; the old one only opens from then."""
    after = ""
    while True:
        with runtime.sessions() as session:
            primary = rows.primary_id(session)
            query = select(DataKey.id, DataKey.scope, DataKey.rev).where(DataKey.state == "active")
            query = query.where(_worn(before), DataKey.id > after)
            page = session.execute(query.order_by(DataKey.id).limit(size)).all()
        if not page:
            return
        after = page[-1].id
        # Wrapped before the transaction, so that no provider is waited for while others wait to write.
        now = runtime.clock.now()
        fresh = {row.id: rows.new_key(runtime.vault.keys, primary, row.scope, now) for row in page}
        yield _store_fresh(runtime, page, fresh, now)


def _worn(before: datetime) -> ColumnElement[bool]:
    return or_(DataKey.created_at < before, DataKey.enc_count >= MOST_USES)


def _store_fresh(runtime: Runtime, page: Sequence[Any], fresh: dict[str, DataKey], now: datetime) -> Batch:
    done = 0
    with runtime.sessions() as session:
        for row in page:
            change = update(DataKey).where(
                DataKey.id == row.id, DataKey.rev == row.rev, DataKey.state == "active"
            )
            if _count(session, change.values(state="decrypt", rotated_at=now, rev=row.rev + 1)):
                session.add(fresh[row.id])
                session.flush()
                done += 1
        session.commit()
    return Batch(done)


def reencrypt(runtime: Runtime, *, size: int = BATCH) -> Iterator[Batch]:
    """Seal everything that is under an older data key under the active one of its scope."""
    for holder in holders():
        yield from _reencrypt(runtime, holder, size)


def _reencrypt(runtime: Runtime, holder: Holder, size: int) -> Iterator[Batch]:
    table, after = holder.table, ("", "")
    place = tuple_(table.c.dek_id, table.c.id)
    older = select(DataKey.id).where(DataKey.state == "decrypt")
    query = select(*holder.columns).where(table.c.dek_id.in_(older)).order_by(table.c.dek_id, table.c.id)
    while True:
        with runtime.sessions() as session:
            page = session.execute(query.where(place > tuple_(*after)).limit(size)).all()
            if not page:
                return
            after = (page[-1].dek_id, page[-1].id)
            pairs = _pairs(session, runtime, {row.dek_id for row in page})
            session.commit()
        with runtime.sessions() as session:
            outcomes = [_resealed(session, holder, row, pairs.get(row.dek_id)) for row in page]
            _count_use(session, [name for name in outcomes if name])
            session.commit()
        yield Batch(sum(bool(name) for name in outcomes), sum(name is None for name in outcomes))


Pair = tuple[AESGCM, AESGCM, str]


def _pairs(session: Session, runtime: Runtime, ids: set[str]) -> dict[str, Pair]:
    """For each older data key, itself, the active one of its scope and that one's id; raises AWAY."""
    pairs: dict[str, Pair] = {}
    for old in session.scalars(select(DataKey).where(DataKey.id.in_(ids))):
        try:
            new = rows.active_key(session, runtime.vault.keys, old.scope, runtime.clock.now())
            pairs[old.id] = (runtime.vault.key_of(old), runtime.vault.key_of(new), new.id)
        except AWAY:
            raise
        except ProviderError:
            continue
    return pairs


def _resealed(session: Session, holder: Holder, row: Row[Any], pair: Pair | None) -> str | None:
    """Seal one value anew and answer under which data key; empty when somebody else changed it, None if unreadable."""
    if pair is None:
        return None
    old, new, new_id = pair
    try:
        value = holder.unseal(row, old, row.dek_id)
        sealed = holder.seal(row, new, new_id, value)
    except ProviderError:
        return None
    table = holder.table
    change = update(table).where(table.c.id == row.id, table.c.rev == row.rev)
    return new_id if _count(session, change.values(ct=sealed, dek_id=new_id, rev=row.rev + 1)) else ""


def _count_use(session: Session, used: list[str]) -> None:
    for key_id in set(used):
        change = update(DataKey).where(DataKey.id == key_id)
        session.execute(change.values(enc_count=DataKey.enc_count + used.count(key_id)))


def destroy(runtime: Runtime, *, size: int = BATCH) -> Iterator[Batch]:
    """Destroy the data keys that seal nothing any more and are past their grace time, as backups are by then."""
    grace = timedelta(days=runtime.config.key_grace_days)
    while True:
        with runtime.sessions() as session:
            free = select(DataKey.id).where(
                DataKey.state == "decrypt", DataKey.rotated_at <= runtime.clock.now() - grace, *_unused()
            )
            ids = list(session.scalars(free.limit(size)))
            if not ids:
                return
            change = update(DataKey).where(DataKey.id.in_(ids), DataKey.state == "decrypt", *_unused())
            done = _count(session, change.values(state="destroyed", wrapped="", rev=DataKey.rev + 1))
            session.commit()
        yield Batch(done)


def _unused() -> list[ColumnElement[bool]]:
    return [~exists().where(holder.table.c.dek_id == DataKey.id) for holder in holders()]


def left(session: Session, kind: str, before: datetime) -> int:
    """How many rows a pass of this kind still has before it."""
    if kind == "rewrap":
        primary = rows.primary_id(session) or ""
        query = _to_rewrap(primary, everything=False).order_by(None).with_only_columns(func.count())
        return session.scalar(query) or 0
    older = select(DataKey.id).where(DataKey.state == "decrypt")
    sealed = sum(session.scalar(_sealed_under(holder, older)) or 0 for holder in holders())
    if kind == "reencrypt":
        return sealed
    due = select(DataKey.id).where(DataKey.state == "active", _worn(before))
    return (
        sealed
        + worn(session, before)
        + sum(session.scalar(_sealed_under(holder, due)) or 0 for holder in holders())
    )


def worn(session: Session, before: datetime) -> int:
    """How many scopes have an active data key that is older than a moment, or sealed too much."""
    query = select(func.count()).where(DataKey.state == "active", _worn(before))
    return session.scalar(query) or 0


def counted(holder: Holder) -> Any:
    """A query for how many sealed values a table has."""
    return select(func.count()).select_from(holder.table).where(holder.table.c.dek_id.is_not(None))


def _sealed_under(holder: Holder, keys: Any) -> Any:
    return select(func.count()).select_from(holder.table).where(holder.table.c.dek_id.in_(keys))


def _count(session: Session, change: Any) -> int:
    result: Any = session.execute(change.execution_options(synchronize_session=False))
    return int(result.rowcount)
