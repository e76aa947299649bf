"""The place of a drill: a directory, a database and copies of a route's services, gone when it is over."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from adapters.kit import Message, N_
from adapters.kit.address import EgressPolicy
from webapp.config import Config
from webapp.db import upgrade
from webapp.drill.clock import DrillClock
from webapp.drill.vendors import PretendVendor, Stage, stage_for
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.registry import routes, services
from webapp.registry.errors import Conflict
from webapp.runtime import Runtime
from webapp.sandbox.server import HOST

ACTOR = "drill"
ATTEMPT_MS = 2_000


@dataclass(frozen=True, slots=True)
class Original:
    """What a drill takes over from a service of the route: never its settings, never its secrets."""

    name: str
    service_type: str
    retry_policy: dict[str, object] | None


@dataclass(frozen=True, slots=True)
class Actor:
    """One copied service and the pretend vendor behind it; `stand_in` when another vendor of its kind plays it."""

    original: Original
    service_id: str
    vendor: PretendVendor
    stand_in: bool


@dataclass(frozen=True, slots=True)
class Set:
    """A runtime of its own and the copies in the order of the route."""

    runtime: Runtime
    clock: DrillClock
    contract: str
    route: str
    actors: tuple[Actor, ...]


def originals(runtime: Runtime, name: str) -> tuple[str, list[Original]]:
    """The contract of a route and what is copied of its services; raises NotFound or Conflict (NOTHING_TO_DRILL)."""
    with runtime.sessions() as session:
        route = routes.find(session, name)
        found = [session.get(Service, member) for member in route.members]
        usable = [service for service in found if service and service.is_enabled and not service.is_deleted]
        copies = [
            Original(service.service_name, service.service_type, service.retry_policy) for service in usable
        ]
        contract = route.contract
    if not copies:
        raise Conflict("NOTHING_TO_DRILL", Message.of(N_("The route has no enabled service to drill.")))
    if stage_for(contract, "") is None:
        text = Message.of(N_("The sandbox has no vendor for the contract %(contract)s."), contract=contract)
        raise Conflict("NOTHING_TO_DRILL", text)
    return contract, copies


@contextmanager
def built(contract: str, route: str, copies: Sequence[Original]) -> Iterator[Set]:
    """Build the set; everything in it is gone afterwards."""
    with ExitStack() as stack:
        stack.enter_context(_unheard())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="patchbay-drill-")))
        vendors: list[tuple[Original, PretendVendor, Stage]] = []
        for original in copies:
            stage = stage_for(contract, original.service_type)
            assert stage is not None
            vendor = PretendVendor(stage)
            stack.callback(vendor.stop)
            vendors.append((original, vendor, stage))
        clock = DrillClock()
        runtime = _runtime(folder, clock)
        stack.callback(runtime.close)
        yield Set(runtime, clock, contract, route, tuple(_actors(runtime, contract, route, vendors)))


@contextmanager
def _unheard() -> Iterator[None]:
    """Keep what the drill's gates report out of the process log: it would read like a real outage."""
    mine, logger = threading.get_ident(), logging.getLogger("webapp.engine.gates")

    def others_only(record: logging.LogRecord) -> bool:
        return record.thread != mine

    logger.addFilter(others_only)
    try:
        yield
    finally:
        logger.removeFilter(others_only)


def _runtime(folder: Path, clock: DrillClock) -> Runtime:
    """An installation of its own that may reach this machine only."""
    config = Config(
        data_dir=folder,
        database_url=f"sqlite:///{folder / 'drill.sqlite3'}",
        egress=EgressPolicy.parse(f"{HOST}/32"),
        require_mfa=False,
    )
    runtime = Runtime.create(config, clock)
    upgrade(runtime.engine)
    runtime.vault.prepare()
    return runtime


def _actors(
    runtime: Runtime, contract: str, route: str, vendors: Sequence[tuple[Original, PretendVendor, Stage]]
) -> list[Actor]:
    actors = []
    with runtime.sessions() as session:
        for place, (original, vendor, stage) in enumerate(vendors, start=1):
            service = services.create(
                session,
                runtime,
                name=f"{place}. {original.name}"[:120],
                service_type=stage.service_type,
                configurations=dict(stage.settings(vendor.url)),
                actor=ACTOR,
                origin="cli",
                is_enabled=True,
                sandbox=True,
                default_timeout_ms=ATTEMPT_MS,
                retry_policy=original.retry_policy,
            )
            stand_in = stage.service_type != original.service_type
            actors.append(Actor(original, service.service_id, vendor, stand_in))
        members = [actor.service_id for actor in actors]
        values = {"name": route, "contract": contract, "members": members}
        routes.create(session, runtime, values, actor=ACTOR)
        session.commit()
    return actors
