"""The doctor: opens every sealed value and tells what depends on which key, and what cannot be opened."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from webapp.models.secret import DataKey, Kek
from webapp.vault import envelope
from webapp.vault.errors import Corrupt, ProviderError, word
from webapp.vault.holders import Holder, holders
from webapp.vault.keyset import Keyset

if TYPE_CHECKING:
    from webapp.runtime import Runtime

PAGE = 2000
NAMED = 100  # of the unreadable values, so many are named one by one


@dataclass(frozen=True, slots=True)
class KeyLine:
    """One key-encryption key and what depends on it."""

    id: str
    fingerprint: str
    kind: str
    uri: str
    state: str
    here: bool
    data_keys: int
    secrets: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A value that does not open: where it belongs and the word for why, as in SecretUnreadable."""

    secret_id: str
    owner_type: str
    owner_id: str
    field: str
    reason: str
    key_id: str | None


@dataclass(slots=True)
class Report:
    """What the doctor found."""

    keys: list[KeyLine] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    data_keys: dict[str, int] = field(default_factory=dict)
    examined: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        """Whether everything that was examined opens."""
        return not self.reasons and not self.missing

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON; it holds no value."""
        return asdict(self) | {"healthy": self.healthy}


def examine(runtime: Runtime, sample: float = 1.0) -> Iterator[Report]:
    """Open every value, or a part of them, and yield the same growing report after each page."""
    keys, report = runtime.vault.keys, Report()
    with runtime.sessions() as session:
        report.keys = _key_lines(session, keys)
        report.data_keys = _states(session)
    report.missing = [line.fingerprint for line in report.keys if line.data_keys and not line.here]
    reasons: Counter[str] = Counter()
    for holder in holders():
        for page in _pages(runtime, holder):
            _examine_page(runtime, holder, _drawn(page, sample), report, reasons)
            report.reasons = dict(reasons)
            yield report
    yield report


def _key_lines(session: Session, keys: Keyset) -> list[KeyLine]:
    living = DataKey.state != "destroyed"
    used = dict(
        session.execute(select(DataKey.kek_id, func.count()).where(living).group_by(DataKey.kek_id)).all()
    )
    sealed: Counter[str] = Counter()
    for holder in holders():
        query = select(DataKey.kek_id, func.count()).join(holder.table, holder.table.c.dek_id == DataKey.id)
        sealed.update(dict(session.execute(query.group_by(DataKey.kek_id)).all()))
    return [
        KeyLine(
            id=kek.id,
            fingerprint=kek.fingerprint,
            kind=kek.kind,
            uri=kek.uri,
            state=kek.state,
            here=kek.id in keys,
            data_keys=used.get(kek.id, 0),
            secrets=sealed[kek.id],
        )
        for kek in session.scalars(select(Kek).order_by(Kek.created_at, Kek.id))
    ]


def key_lines(session: Session, runtime: Runtime) -> list[KeyLine]:
    """Return the keys and what depends on each, without opening anything."""
    return _key_lines(session, runtime.vault.keys)


def _states(session: Session) -> dict[str, int]:
    return dict(session.execute(select(DataKey.state, func.count()).group_by(DataKey.state)).all())


def _pages(runtime: Runtime, holder: Holder) -> Iterator[list[Any]]:
    """Rows by data key, so that each is unwrapped once; a page is a transaction, and memory stays bounded."""
    table, after = holder.table, ("", "")
    place = tuple_(table.c.dek_id, table.c.id)
    query = select(*holder.columns).where(table.c.dek_id.is_not(None)).order_by(table.c.dek_id, table.c.id)
    while True:
        with runtime.sessions() as session:
            page: list[Any] = list(session.execute(query.where(place > tuple_(*after)).limit(PAGE)).all())
        if not page:
            return
        yield page
        after = (page[-1].dek_id, page[-1].id)


def _drawn(page: list[Any], sample: float) -> list[Any]:
    if sample >= 1:
        return page
    return [row for row in page if random.random() < sample]  # noqa: S311 - chooses rows, not keys


def _examine_page(
    runtime: Runtime, holder: Holder, page: list[Any], report: Report, reasons: Counter[str]
) -> None:
    opened = _opened(runtime, {row.dek_id for row in page})
    for row in page:
        report.examined += 1
        if reason := _wrong(holder, row, opened[row.dek_id]):
            reasons[reason] += 1
            if len(report.unreadable) < NAMED:
                report.unreadable.append(_named(row, reason))


def _named(row: Any, reason: str) -> Unreadable:
    owner_type, owner_id, field = (str(getattr(row, n, "")) for n in ("owner_type", "owner_id", "field"))
    return Unreadable(row.id, owner_type, owner_id, field, reason, row.dek_id)


def _opened(runtime: Runtime, ids: set[str]) -> dict[str, AESGCM | str]:
    """Each data key unwrapped by its provider, past the cache; or the word for why it cannot be."""
    opened: dict[str, AESGCM | str] = dict.fromkeys(ids, "unknown_key")
    with runtime.sessions() as session:
        found = list(session.scalars(select(DataKey).where(DataKey.id.in_(ids))))
    for key in found:
        try:
            opened[key.id] = (
                "destroyed" if key.state == "destroyed" else AESGCM(runtime.vault.keys.unwrap(key))
            )
        except ProviderError as error:
            opened[key.id] = word(error)
    return opened


def _wrong(holder: Holder, row: Any, key: AESGCM | str) -> str | None:
    if isinstance(key, str):
        return key
    try:
        holder.unseal(row, key, row.dek_id)
    except envelope.Malformed:
        return "malformed"
    except Corrupt:
        return "corrupt"
    return None
