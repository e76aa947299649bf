"""What one process runs on: configuration, database, keys, clock, catalogue, and the engine over them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sqlalchemy import Engine, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from adapters.kit.address import EgressPolicy
from adapters.kit.catalog import Catalog
from adapters.kit.clock import Clock, SystemClock
from webapp.config import Config, ConfigError
from webapp.db import make_engine, make_sessions, retire
from webapp.vault import Vault

if TYPE_CHECKING:
    from adapters.kit import Message, Settings
    from webapp.engine.gates import Gates
    from webapp.engine.hub import Hub
    from webapp.engine.recorder import Recorder
    from webapp.engine.snapshot import Snapshots
    from webapp.links.tokens import Links
    from webapp.log.batch import Batch
    from webapp.log.ledger import Ledger
    from webapp.log.metrics import MetricStore
    from webapp.log.query import LogStore
    from webapp.state import Store
    from webapp.telemetry import Telemetry

DATABASE = "PATCHBAY_DATABASE_URL"


@dataclass
class Runtime:
    """Made once per process, or per test, and handed to whatever needs the world. Knows no Flask."""

    config: Config
    clock: Clock
    engine: Engine
    sessions: sessionmaker[Session]
    vault: Vault
    catalog: Catalog

    @classmethod
    def create(cls, config: Config, clock: Clock | None = None) -> Runtime:
        """Open what the configuration names; raises ConfigError, or KeyRefused for an unusable key."""
        _make_places(config)
        clock = clock or SystemClock()
        engine = make_engine(config.database_url)
        sessions = make_sessions(engine)
        try:
            vault = Vault.create(config, sessions, clock)
        except BaseException as error:
            engine.dispose()
            if isinstance(error, OperationalError):
                raise ConfigError(DATABASE, f"names a database that does not answer: {error.orig}") from error
            raise
        return cls(config, clock, engine, sessions, vault, Catalog())

    @property
    def policy(self) -> EgressPolicy:
        """Which targets may be reached."""
        return self.config.egress

    # The layers above this one are loaded on first use and by name: they import this module.
    @cached_property
    def log(self) -> LogStore:
        """The store of calls and attempts."""
        store = import_module("webapp.log.query").LogStore
        return cast("LogStore", store(self.engine, self.clock, self.vault.derive, self._settle, self._tail))

    @cached_property
    def metrics(self) -> MetricStore:
        """What the roll-ups of the log say."""
        store = import_module("webapp.log.metrics").MetricStore
        return cast("MetricStore", store(self.engine, self.clock, self._settle))

    @cached_property
    def telemetry(self) -> Telemetry | None:
        """What tells a collector of calls; None unless that is switched on."""
        if not self.config.otel:
            return None
        return cast("Telemetry", import_module("webapp.telemetry").Telemetry.create())

    @cached_property
    def ledger(self) -> Ledger:
        """The journal of this process, from which the log is fed."""
        ledger = import_module("webapp.log.ledger").Ledger
        return cast("Ledger", ledger(self.config.data_dir / "journal", self.engine))

    @cached_property
    def snapshots(self) -> Snapshots:
        """What calls know of services and routes."""
        snapshots = import_module("webapp.engine.snapshot").Snapshots
        return cast("Snapshots", snapshots(self.engine, self.vault.state))

    def _tail(self, call_id: int) -> Batch:
        tail_of = import_module("webapp.log.tail").tail_of
        return cast("Batch", tail_of(self.config.data_dir / "journal", call_id))

    def _settle(self) -> None:
        if "ledger" in self.__dict__:
            self.ledger.settle()

    @cached_property
    def state(self) -> Store:
        """The counters that all processes share."""
        return cast("Store", import_module("webapp.state").make_store(self.config, self.clock))

    @cached_property
    def recorder(self) -> Recorder:
        """What writes calls and attempts down."""
        return cast("Recorder", import_module("webapp.engine.recorder").Recorder(self))

    @cached_property
    def gates(self) -> Gates:
        """Breakers, limiters, quotas and bulkheads."""
        return cast("Gates", import_module("webapp.engine.gates").Gates(self))

    @cached_property
    def hub(self) -> Hub:
        """The door to every external service."""
        return cast("Hub", import_module("webapp.engine.hub").Hub(self))

    @cached_property
    def links(self) -> Links:
        """The linked accounts of people, for calls on their behalf."""
        return cast("Links", import_module("webapp.links.tokens").Links(self))

    def without_secrets(self, message: Message, config: Settings) -> Message:
        """A sentence about settings, with their secrets taken out of it."""
        return cast("Message", import_module("webapp.engine.sentences").without_secrets(message, config))

    def close(self) -> None:
        """Bring what was recorded into the log and give the connections back."""
        if "links" in self.__dict__:
            self.links.close()
        if "ledger" in self.__dict__:
            self.ledger.close()
        if (telemetry := self.__dict__.get("telemetry")) is not None:
            telemetry.close()
        if "snapshots" in self.__dict__:
            self.snapshots.close()
        if "state" in self.__dict__:
            self.state.close()
        retire(self.engine)


def _make_places(config: Config) -> None:
    """Make the data directory and the SQLite file for their owner only; SQLite gives its helpers the same mode."""
    try:
        config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError("PATCHBAY_DATA_DIR", f"names {config.data_dir}: {error.strerror}.") from None
    url = make_url(config.database_url)
    if url.get_backend_name() == "sqlite":
        try:
            Path(url.database or "").touch(mode=0o600)
        except OSError as error:
            raise ConfigError(DATABASE, f"names {url.database}: {error.strerror}.") from None
