"""What business code asks for, read strictly before anything else happens."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.kit import Catalog, Message, Operation, ParamsInvalid, N_
from webapp.engine.deadline import DEFAULT_MS, MOST_MS
from webapp.engine.problems import invalid_request

_NAMES_MAX = 20
_DUPLICATES = ("forbid", "allow")
_NEVER_TWICE = frozenset(("payment",))
_TEXT_MAX = {
    "integration_point": 120,
    "correlation_id": 128,
    "call_key": 255,
    "caller": 254,
    "on_behalf_of": 254,
}
_NO_TEXT = N_("Use 1 to %(most)s printable characters.")


@dataclass(frozen=True, slots=True)
class CallRequest:
    """One validated request; `params` is an instance of the operation's own class."""

    operation: Operation
    contract: str
    params: object
    prefer: tuple[str, ...]
    point: str | None
    deadline_ms: int
    call_key: str | None
    correlation_id: str
    caller: str
    may_duplicate: bool
    on_behalf_of: str | None = None  # a person's id or email address
    secrets: tuple[str, ...] = ()  # what of the parameters no log may show in any form

    def fingerprint(self) -> str:
        """The same for two requests that ask for the same thing."""
        members: dict[str, Any] = {
            "operation": self.operation.name,
            "params": self.operation.dump(self.params),
        }
        if self.on_behalf_of is not None:
            members["on_behalf_of"] = self.on_behalf_of
        canonical = json.dumps(members, sort_keys=True, separators=(",", ":"), default=str)
        return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def read_request(
    catalog: Catalog,
    operation: str,
    params: Mapping[str, Any] | object,
    *,
    prefer: Sequence[str] | str,
    point: str | None,
    deadline_ms: int | None,
    call_key: str | None,
    correlation_id: str | None,
    caller: str,
    duplicates: str,
    on_behalf_of: str | None = None,
) -> CallRequest:
    """Check everything at once; raises PatchbayError REQUEST_INVALID with a pointer to each wrong member."""
    faults = _Faults()
    found = catalog.operation(operation) if isinstance(operation, str) else None
    if found is None:
        faults.add("/operation", "unknown", Message.of(N_("No contract has this operation.")))
    names = faults.names(prefer)
    deadline = faults.deadline(deadline_ms)
    faults.text("integration_point", point)
    faults.text("call_key", call_key)
    faults.text("correlation_id", correlation_id)
    faults.text("caller", caller)
    faults.text("on_behalf_of", on_behalf_of)
    faults.duplicates(duplicates, found[1].name if found else "")
    parsed = faults.params(found[1], params) if found else None
    if faults.errors or found is None:
        raise invalid_request(
            faults.errors, operation=str(operation)[:80], correlation_id=faults.safe(correlation_id)
        )
    contract, meant = found
    return CallRequest(
        meant, contract, parsed, names, point or None, deadline, call_key or None,
        correlation_id or str(uuid.uuid4()), caller, duplicates == "allow", on_behalf_of,
    )  # fmt: skip


def read_question(
    catalog: Catalog, operation: str, prefer: Sequence[str] | str, params: Mapping[str, Any] | None = None
) -> tuple[str, Operation, tuple[str, ...]]:
    """Check what a call would be asked for without making it: its contract, its operation, its names.

    Raises PatchbayError REQUEST_INVALID as a call would; parameters are looked at only where they are given.
    """
    faults = _Faults()
    found = catalog.operation(operation) if isinstance(operation, str) else None
    if found is None:
        faults.add("/operation", "unknown", Message.of(N_("No contract has this operation.")))
    names = faults.names(prefer)
    if found and params is not None:
        faults.params(found[1], params)
    if faults.errors or found is None:
        raise invalid_request(faults.errors, operation=str(operation)[:80])
    contract, meant = found
    return contract, meant, names


class _Faults:
    """Collects what is wrong with a request; never repeats the input."""

    def __init__(self) -> None:
        self.errors: list[dict[str, object]] = []

    def add(self, pointer: str, code: str, message: Message) -> None:
        self.errors.append({"pointer": pointer, "code": code, "message": str(message)})

    def params(self, operation: Operation, given: object) -> object:
        try:
            return operation.parse(given)
        except ParamsInvalid as invalid:
            for error in invalid.errors:
                self.add(f"/params{error.pointer}", error.code, error.message)
            return None

    def names(self, prefer: Sequence[str] | str) -> tuple[str, ...]:
        names = (prefer,) if isinstance(prefer, str) else tuple(prefer)
        if len(names) > _NAMES_MAX:
            message = Message.of(N_("Give at most %(max_length)s entries."), max_length=_NAMES_MAX)
            self.add("/service_type_preference", "too_long", message)
            return ()
        for place, name in enumerate(names):
            if not _is_text(name, 120):
                message = Message.of(_NO_TEXT, most=120)
                self.add(f"/service_type_preference/{place}", "invalid", message)
        return names

    def duplicates(self, duplicates: str, operation: str) -> None:
        if duplicates not in _DUPLICATES:
            choices = Message.of(N_("Choose one of: %(expected)s."), expected=", ".join(_DUPLICATES))
            self.add("/duplicates", "choice", choices)
        elif duplicates == "allow" and operation.partition(".")[0] in _NEVER_TWICE:
            self.add("/duplicates", "choice", Message.of(N_("This operation may never be done twice.")))

    def deadline(self, deadline_ms: int | None) -> int:
        if deadline_ms is None:
            return DEFAULT_MS
        if (
            isinstance(deadline_ms, bool)
            or not isinstance(deadline_ms, int)
            or not 0 < deadline_ms <= MOST_MS
        ):
            message = Message.of(N_("Use a whole number of milliseconds from 1 to %(most)s."), most=MOST_MS)
            self.add("/deadline_ms", "range", message)
            return DEFAULT_MS
        return deadline_ms

    def text(self, name: str, value: object) -> None:
        most = _TEXT_MAX[name]
        if value is not None and not _is_text(value, most):
            self.add(f"/{name}", "invalid", Message.of(_NO_TEXT, most=most))

    def safe(self, correlation_id: str | None) -> str | None:
        return correlation_id if _is_text(correlation_id, _TEXT_MAX["correlation_id"]) else None


def _is_text(value: object, most: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= most and value.isprintable() and bool(value.strip())
