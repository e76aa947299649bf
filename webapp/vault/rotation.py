"""Moving rows to newer keys, a batch at a time: each batch is a transaction of its own.

A process that dies leaves whole batches behind; whoever begins again finds what is left by looking at the rows.
A row that somebody else changed meanwhile is left to the next pass: each update names the `rev` that was read.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import ColumnElement, Row, bindparam, exists, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from webapp.models.secret import DataKey
from webapp.vault import rows
from webapp.vault.errors import AWAY, KeyMissing, ProviderError
from webapp.vault.holders import Holder, holders
from webapp.vault.keyset import Keyset, context_of
from webapp.vault.many import rewrapped, unwrapped, wrapped

if TYPE_CHECKING:
    from webapp.runtime import Runtime

BATCH = 200
# Random nonces of 96 bits are safe for 2^32 values of a key; this stays far below.
MOST_USES = 2**28


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
        yield _store_blobs(runtime, page, _rewrapped(runtime.vault.keys, page, primary), primary)


def _to_rewrap(primary: str, everything: bool) -> Any:
    query = select(DataKey).where(DataKey.state != "destroyed").order_by(DataKey.id)
    return query if everything else query.where(DataKey.kek_id != primary)


def _rewrapped(keys: Keyset, page: Sequence[DataKey], primary: str) -> dict[str, str]:
    """The data keys wrapped anew, by id, each opened once more to be sure; without those that cannot be opened."""
    try:
        target = keys.get(primary)
    except KeyMissing:
        return {}
    deks = _opened(keys, page)
    known = [key for key in page if key.id in deks]
    same = [key for key in known if key.kek_id == primary]
    other = [key for key in known if key.kek_id != primary]
    blobs = dict(
        zip(
            [key.id for key in (*same, *other)],
            [
                *rewrapped(target, [(key.wrapped, context_of(key)) for key in same]),
                *wrapped(target, [(deks[key.id], context_of(key)) for key in other]),
            ],
            strict=True,
        )
    )
    made = [(key, blob) for key in known if (blob := blobs[key.id]) is not None]
    again = unwrapped(target, [(blob, context_of(key)) for key, blob in made])
    return {
        key.id: blob
        for (key, blob), dek in zip(made, again, strict=True)
        if dek is not None and hmac.compare_digest(dek, deks[key.id])
    }


def _opened(keys: Keyset, page: Sequence[DataKey]) -> dict[str, bytes]:
    """The data keys that open, by id, asked for by the key that wrapped them."""
    deks: dict[str, bytes] = {}
    for kek_id in dict.fromkeys(key.kek_id for key in page):
        mine = [key for key in page if key.kek_id == kek_id]
        try:
            found = unwrapped(keys.get(kek_id), [(key.wrapped, context_of(key)) for key in mine])
        except KeyMissing:
            continue
        deks |= {key.id: dek for key, dek in zip(mine, found, strict=True) if dek is not None}
    return deks


def _store_blobs(runtime: Runtime, page: Sequence[DataKey], blobs: Mapping[str, str], primary: str) -> Batch:
    table = DataKey.__table__
    changes = [
        {"at": key.id, "was": key.rev, "kek_id": primary, "wrapped": blobs[key.id], "rev": key.rev + 1}
        for key in page
        if key.id in blobs
    ]
    with runtime.sessions() as session:
        done = _change(session, table, changes, table.c.wrapped, table.c.state != "destroyed")
        session.commit()
    return Batch(len(done), len(page) - len(blobs))


def _change(
    session: Session, table: Any, changes: list[dict[str, Any]], proof: Any, *only: ColumnElement[bool]
) -> set[str]:
    """Change rows that still have the `rev` that was read; answer the ids of those, known by what they hold now."""
    if not changes:
        return set()
    names = [name for name in changes[0] if name not in {"at", "was"}]
    statement = update(table).where(table.c.id == bindparam("at"), table.c.rev == bindparam("was"), *only)
    session.connection().execute(statement.values({name: bindparam(f"new_{name}") for name in names}), [
        {"at": one["at"], "was": one["was"], **{f"new_{name}": one[name] for name in names}} for one in changes
    ])  # fmt: skip
    wanted = {one["at"]: one[proof.name] for one in changes}
    query = select(table.c.id, proof).where(table.c.id.in_(wanted))
    return {row.id for row in session.execute(query) if row[1] == wanted[row.id]}


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
        sealed = [change for row in page if (change := _resealed(holder, row, pairs.get(row.dek_id)))]
        with runtime.sessions() as session:
            done = _change(session, table, sealed, table.c.ct)
            _count_use(session, [change["dek_id"] for change in sealed if change["at"] in done])
            session.commit()
        yield Batch(len(done), len(page) - len(sealed))


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


def _resealed(holder: Holder, row: Row[Any], pair: Pair | None) -> dict[str, Any] | None:
    """The change that puts one value under the newer data key; None if it cannot be read."""
    if pair is None:
        return None
    old, new, new_id = pair
    try:
        sealed = holder.seal(row, new, new_id, holder.unseal(row, old, row.dek_id))
    except ProviderError:
        return None
    return {"at": row.id, "was": row.rev, "ct": sealed, "dek_id": new_id, "rev": row.rev + 1}


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
