"""What calls know of services and routes: one immutable picture per process, replaced whole when something changed."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Engine, event, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import ORMExecuteState, Session

from webapp.models.audit import AuditEntry
from webapp.models.health import ServiceHealth
from webapp.models.route import Route
from webapp.models.secret import DataKey, Kek, Secret
from webapp.models.service import ThirdPartyServiceConfiguration as Service

LOOK_EVERY_S, _CLOSING_S = 0.25, 2.0
HEALTH_EVERY_S = 2.0
PATIENCE_S = 0.05
_WATCHED = (Service, Route, Secret, DataKey, Kek)
_MARK = "patchbay_configuration_changed"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Facts:
    """A service as it was stored, without anything secret: `secrets` only says where the values lie."""

    service_id: str
    service_name: str
    service_type: str
    contract: str
    configurations: Mapping[str, Any]
    secrets: Mapping[str, str]
    is_enabled: bool
    default_timeout_ms: int | None
    retry_policy: Mapping[str, Any] | None
    rate_limit: Mapping[str, Any] | None
    quotas: Mapping[str, Any] | None
    breaker_override: Mapping[str, Any] | None
    durability: str
    keep_inputs: bool
    revision: int
    sandbox: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Services in the order in which they were made. `found` remembers answers, for as long as they are right."""

    version: tuple[object, ...] = ()
    services: Mapping[str, Facts] = field(default_factory=dict)
    groups: Mapping[str, tuple[Facts, ...]] = field(default_factory=dict)  # by type and by contract
    routes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    health: Mapping[str, str] = field(default_factory=dict)
    found: dict[object, Any] = field(default_factory=dict, compare=False, repr=False)


_COLUMNS = tuple(getattr(Service, name) for name in Facts.__dataclass_fields__)


def load(connection: Connection) -> Snapshot:
    """The picture as it is now; the version is read first, so that a later change is never taken for seen."""
    version = version_of(connection)
    query = (
        select(*_COLUMNS).where(Service.deleted_at.is_(None)).order_by(Service.created_at, Service.service_id)
    )
    services = {row.service_id: Facts(*row) for row in connection.execute(query)}
    groups: dict[str, list[Facts]] = {}
    for facts in services.values():
        groups.setdefault(facts.service_type, []).append(facts)
        groups.setdefault(facts.contract, []).append(facts)
    routes = {row.name: tuple(row.members) for row in connection.execute(select(Route.name, Route.members))}
    return Snapshot(
        version,
        MappingProxyType(services),
        MappingProxyType({name: tuple(group) for name, group in groups.items()}),
        MappingProxyType(routes),
        health_of(connection),
    )


def version_of(connection: Connection) -> tuple[object, ...]:
    """Changes with every save: each leaves an entry in the audit log, whose numbers follow the order of commits."""
    query = select(
        select(func.max(AuditEntry.seq)).scalar_subquery(),
        select(func.count()).select_from(Service).scalar_subquery(),
        select(func.sum(Service.revision)).scalar_subquery(),
    )
    return tuple(connection.execute(query).one())


def health_of(connection: Connection) -> Mapping[str, str]:
    """The state of each service that was checked."""
    rows = connection.execute(select(ServiceHealth.service_id, ServiceHealth.state))
    return MappingProxyType({row.service_id: row.state for row in rows})


class Snapshots:
    """The current picture. A save in this process is seen at once, one of another within a quarter of a second.

    A thread of its own looks for changes, and only when calls are made; a call waits for it no longer than
    PATIENCE_S, so that a database that is locked or away delays nobody.
    """

    def __init__(self, engine: Engine, look: Any = lambda: None) -> None:
        """`look` is called with every look for changes, for what else has to be looked after from time to time."""
        self._engine = engine
        self._look = look
        self._snapshot: Snapshot | None = None
        self._stale = False
        self.kept: dict[str, Any] = {}  # what was opened of services, see the module opening
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        self._loading = threading.Lock()
        self._looked = self._looked_at_health = 0.0
        self._wanted, self._done = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._busy = False
        self._closed = False

    def current(self) -> Snapshot:
        """The picture to make a call with. Raises SQLAlchemyError when there is none yet and none can be had."""
        snapshot = self._snapshot
        if snapshot is None or self._stale:
            return self._load()
        if time.monotonic() - self._looked > LOOK_EVERY_S and not self._busy:
            self._ask()
            return self._snapshot or snapshot
        return snapshot

    def invalidate(self) -> None:
        """Something was saved here: the next call needs a new picture."""
        self._stale = True

    def close(self) -> None:
        """Look no more."""
        self._closed = True
        self._wanted.set()
        if self._thread is not None:
            self._thread.join(_CLOSING_S)

    def after_fork(self) -> None:
        """Begin without the thread of the parent."""
        self._reset()

    def _load(self) -> Snapshot:
        with self._loading:
            if self._snapshot is not None and not self._stale:
                return self._snapshot
            self._stale = False
            try:
                with self._engine.connect() as connection:
                    self._snapshot = load(connection)
            except BaseException:
                self._stale = True
                raise
            self._looked = self._looked_at_health = time.monotonic()
            return self._snapshot

    def _ask(self) -> None:
        """Let the thread look, and give it a moment."""
        self._looked = time.monotonic()
        self._done.clear()
        self._busy = True
        if self._thread is None:
            with self._loading:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._watch, name="patchbay-snapshot", daemon=True)
                    self._thread.start()
        self._wanted.set()
        self._done.wait(PATIENCE_S)

    def _watch(self) -> None:
        while not self._closed:
            self._wanted.wait()
            self._wanted.clear()
            if self._closed:
                return
            try:
                self._refresh()
            except SQLAlchemyError as error:
                _log.warning(
                    "Changes cannot be looked for (%s); calls go on as they were.", type(error).__name__
                )
            except Exception as error:  # noqa: BLE001 - a thread that died would never look again
                _log.error("Changes cannot be looked for: %s", type(error).__name__)
            finally:
                self._busy = False
                self._done.set()

    def _refresh(self) -> None:
        """Take a new picture if something changed; of health only from time to time, for it changes with every check."""
        before = self._snapshot
        with self._engine.connect() as connection:
            if before is None or version_of(connection) != before.version:
                self._put(load(connection), before)
            elif time.monotonic() - self._looked_at_health > HEALTH_EVERY_S:
                self._looked_at_health = time.monotonic()
                health = health_of(connection)
                if health != before.health:
                    self._put(replace(before, health=health, found={}), before)
        self._look()

    def _put(self, snapshot: Snapshot, before: Snapshot | None) -> None:
        """Replace the picture, unless a call has taken a newer one meanwhile."""
        with self._loading:
            if self._snapshot is before:
                self._snapshot = snapshot


_all: weakref.WeakSet[Snapshots] = weakref.WeakSet()


def _changed(session: Session) -> Iterator[object]:
    yield from session.new
    yield from session.dirty
    yield from session.deleted


@event.listens_for(Session, "after_flush")
def _note_flush(session: Session, _context: object) -> None:
    if any(isinstance(one, _WATCHED) for one in _changed(session)):
        session.info[_MARK] = True


@event.listens_for(Session, "do_orm_execute")
def _note_statement(state: ORMExecuteState) -> None:
    writes = state.is_update or state.is_delete or state.is_insert
    if writes and state.bind_mapper is not None and issubclass(state.bind_mapper.class_, _WATCHED):
        state.session.info[_MARK] = True


@event.listens_for(Session, "after_commit")
def _note_commit(session: Session) -> None:
    if session.info.pop(_MARK, False):
        for snapshots in list(_all):
            snapshots.invalidate()


def _begin_anew() -> None:
    for snapshots in list(_all):
        snapshots.after_fork()


os.register_at_fork(after_in_child=_begin_anew)
