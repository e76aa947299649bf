"""From the names a caller prefers to the services to try, in order, each with why it is left out if it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.kit import Catalog, Message, N_
from webapp.engine.breakers import breaker_key
from webapp.engine.snapshot import Facts, Snapshot

MOST_TRIED = 3
_MOST_LISTED = 50
_MOST_REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a candidate is left out: a code of the taxonomy, a sentence, and the seconds until it may be used."""

    code: str
    reason: Message
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One service that was named, as it stood when the call began. `via` is the name that led to it."""

    via: str
    service_id: str | None = None
    service_name: str | None = None
    service_type: str | None = None
    timeout_ms: int | None = None
    revision: int | None = None
    sandbox: bool = False
    health: str | None = None
    skip: Skip | None = None
    retry_policy: Mapping[str, Any] | None = None
    rate_limit: Mapping[str, Any] | None = None
    quotas: Mapping[str, Any] | None = None
    override: Mapping[str, Any] | None = None
    durability: str = "process"
    breaker_key: str = ""


def find_candidates(
    snapshot: Snapshot, catalog: Catalog, operation: str, contract: str, prefer: Sequence[str]
) -> Sequence[Candidate]:
    """Every service that the names lead to, once each, in the order of the names.

    A name is a route, a service type, a contract or the id of a service; no name at all means the contract.
    What cannot be used is listed too, with its reason: nothing is skipped silently.
    """
    question = (operation, contract, tuple(prefer))
    answer: tuple[Candidate, ...] | None = snapshot.found.get(question)
    if answer is None:
        answer = tuple(_find(snapshot, catalog, operation, contract, prefer))
        if len(snapshot.found) < _MOST_REMEMBERED:
            snapshot.found[question] = answer
    return answer


def _find(
    snapshot: Snapshot, catalog: Catalog, operation: str, contract: str, prefer: Sequence[str]
) -> list[Candidate]:
    found: list[Candidate] = []
    seen: set[str] = set()
    for name in prefer or (contract,):
        services = _services(snapshot, name)
        if not services:
            found.append(_unknown(snapshot, catalog, name))
        for service in services[:_MOST_LISTED]:
            if service.service_id not in seen and len(found) < _MOST_LISTED:
                seen.add(service.service_id)
                skip = _reason(catalog, service, operation, contract)
                key = breaker_key(catalog, service.service_id, service.service_type, operation)
                found.append(_candidate(snapshot, service, name, skip, key))
    return found


def _services(snapshot: Snapshot, name: str) -> Sequence[Facts]:
    """What a name leads to; the first kind of name that fits wins."""
    if name in snapshot.routes:
        return [snapshot.services[member] for member in snapshot.routes[name] if member in snapshot.services]
    if name in snapshot.services:
        return [snapshot.services[name]]
    return snapshot.groups.get(name, ())


def _unknown(snapshot: Snapshot, catalog: Catalog, name: str) -> Candidate:
    """A name that leads nowhere, with the most helpful reason."""
    if name in snapshot.routes:
        reason = Message.of(N_("The route %(name)s has no services."), name=name)
    elif catalog.get(name) or name in catalog.contracts():
        reason = Message.of(N_("No service of the type %(name)s is configured."), name=name)
    else:
        reason = Message.of(
            N_("There is no route, service type, contract or service called %(name)s."), name=name
        )
    return Candidate(via=name, skip=Skip("CONFIG_NOT_FOUND", reason))


def _reason(catalog: Catalog, service: Facts, operation: str, contract: str) -> Skip | None:
    if service.contract != contract:
        sentence = N_("%(name)s does not offer %(operation)s.")
        return Skip(
            "OPERATION_UNSUPPORTED", Message.of(sentence, name=service.service_name, operation=operation)
        )
    if not service.is_enabled:
        return Skip("CONFIG_DISABLED", Message.of(N_("%(name)s is disabled."), name=service.service_name))
    entry = catalog.get(service.service_type)
    if entry is None or entry.adapter is None:
        why = entry.broken if entry and entry.broken else service.service_type
        return Skip(
            "ADAPTER_MISSING", Message.of(N_("The adapter is not available: %(reason)s."), reason=why)
        )
    return None


def _candidate(snapshot: Snapshot, service: Facts, via: str, skip: Skip | None, key: str) -> Candidate:
    return Candidate(
        via=via,
        service_id=service.service_id,
        service_name=service.service_name,
        service_type=service.service_type,
        timeout_ms=service.default_timeout_ms,
        revision=service.revision,
        sandbox=service.sandbox,
        health=snapshot.health.get(service.service_id),
        skip=skip,
        retry_policy=service.retry_policy,
        rate_limit=service.rate_limit,
        quotas=service.quotas,
        override=service.breaker_override,
        durability=service.durability,
        breaker_key=key,
    )
