"""The check of one service: what its adapter checks, then the address the administrator named."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

from adapters.kit import Adapter, Cost, Fault, Message, Settings, Stage, Wire, N_, run_check
from webapp.runtime import Runtime

_log = logging.getLogger(__name__)


def check(
    runtime: Runtime,
    adapter: type[Adapter],
    config: Settings,
    endpoint: str | None,
    *,
    timeout_s: float,
    allowed: Cost,
) -> Iterator[Stage]:
    """The stages as they end, up to the first that fails; an adapter that raises ends them with ADAPTER_BUG.

    What costs more than is allowed at the vendor is left out.

    The credentials go with the request to `endpoint` only when it lies on the service's own host.
    """
    with Wire.for_check(runtime.policy, clock=runtime.clock, timeout_s=timeout_s) as wire:
        try:
            for stage in _stages(adapter(config, wire), endpoint, allowed):
                yield _without_secrets(runtime, stage, config)
        except Exception as bug:  # noqa: BLE001 - an adapter may raise anything; its words may hold a secret
            _log.error("The check of adapter %s raised %s", adapter.service_type, type(bug).__name__)
            message = Message.of(N_("The adapter made a mistake; the cause is in the process log."))
            yield Stage.failed("request", message, code="ADAPTER_BUG")


def _without_secrets(runtime: Runtime, stage: Stage, config: Settings) -> Stage:
    """A vendor may echo a credential, and an adapter may repeat what the vendor said."""
    remedy = runtime.without_secrets(stage.remedy, config) if stage.remedy else None
    return replace(stage, message=runtime.without_secrets(stage.message, config), remedy=remedy)


def _stages(adapter: Adapter, endpoint: str | None, allowed: Cost) -> Iterator[Stage]:
    for stage in run_check(adapter, allowed):
        yield stage
        if stage.status == "failed":
            return
    if endpoint:
        yield _read(adapter, endpoint)


def _read(adapter: Adapter, endpoint: str) -> Stage:
    clock = adapter.wire.clock
    started = clock.monotonic()
    try:
        reply = adapter.http.get(endpoint)
    except Fault as fault:
        stage = Stage.of_fault(fault, "request")
    else:
        text = N_("The health check address answers with HTTP %(status)s.")
        stage = Stage.ok("request", Message.of(text, status=reply.status))
    return replace(stage, duration_ms=round((clock.monotonic() - started) * 1000))
