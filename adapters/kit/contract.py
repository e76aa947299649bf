"""What an adapter is: a contract's operations, spoken to one vendor with one set of settings."""

from __future__ import annotations

import re
from abc import ABC
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar, Literal, get_args, get_type_hints

from adapters.kit.auth import Auth
from adapters.kit.errors import Fault, Unsupported
from adapters.kit.http import Http
from adapters.kit.lookup import Lookup, Sent
from adapters.kit.operation import Operation, Safety
from adapters.kit.reply import Reply
from adapters.kit.settings import Settings
from adapters.kit.stage import Stage
from adapters.kit.statuses import fault_by_status
from adapters.kit.text import N_
from adapters.kit.url import Target
from adapters.kit.wire import Wire

Cost = Literal["free", "quota", "money"]
COSTS: tuple[Cost, ...] = get_args(Cost)
_SERVICE_TYPE = re.compile(r"[A-Z]+_PROVIDER_[A-Z0-9_]+")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a check connects first; `tls` means encrypted from the first byte, `ca_bundle` is PEM text."""

    host: str
    port: int
    tls: bool
    ca_bundle: str | None = None


class Adapter(ABC):
    """Base of every contract and, through it, of every vendor. An instance serves one attempt.

    A contract says `class Email(Adapter, contract="EMAIL_SERVICE", namespace="email", label=…)`, a vendor
    `class SendGrid(Email, service_type="EMAIL_PROVIDER_SENDGRID", label=…, docs=…, summary=…)`.
    """

    contract: ClassVar[str] = ""
    contract_label: ClassVar[str] = ""
    namespace: ClassVar[str] = ""
    service_type: ClassVar[str] = ""
    label: ClassVar[str] = ""
    docs: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    ports: ClassVar[frozenset[int]] = frozenset()
    breaker_groups: ClassVar[Mapping[str, str]] = MappingProxyType(
        {}
    )  # operations that fail apart from the others
    check_cost: ClassVar[Cost] = "free"  # what one check takes from the account at the vendor
    key_ttl_s: ClassVar[float] = 86_400.0  # how long the vendor remembers an idempotency key
    Config: ClassVar[type[Settings]] = Settings

    config: Settings

    def __init_subclass__(
        cls,
        *,
        contract: str = "",
        namespace: str = "",
        service_type: str = "",
        label: str = "",
        docs: str = "",
        summary: str = "",
        **rest: Any,
    ) -> None:
        super().__init_subclass__(**rest)
        if service_type and not _SERVICE_TYPE.fullmatch(service_type):
            raise TypeError(f"{cls.__name__}: {service_type!r} is not of the form KIND_PROVIDER_VENDOR")
        given = {"contract": contract, "namespace": namespace, "service_type": service_type, "label": label}
        given |= {"docs": docs, "summary": summary, "contract_label": label if contract else ""}
        for name, value in given.items():
            if value:
                setattr(cls, name, value)

    def __init__(self, config: Settings, wire: Wire) -> None:
        self.config = config
        self.wire = wire
        wire.ports |= self.ports

    @property
    def http(self) -> Http:
        """Return a client for this vendor: its address, its credentials, its map of errors."""
        return Http(self.wire, base_url=self.base_url, auth=self.auth(), classify=self.classify)

    @property
    def base_url(self) -> str:
        """Return where the vendor's HTTP interface begins; by default the setting `base_url`."""
        return str(getattr(self.config, "base_url", None) or "")

    def auth(self) -> Auth | None:
        """Return how requests prove who we are."""
        return None

    @classmethod
    def operations(cls) -> dict[str, Operation]:
        """Return the operations of the contract by name, such as `email.send`."""
        return _operations(cls)

    def safety_of(self, operation: Operation, params: object) -> Safety:  # noqa: ARG002 - for overriding
        """Return how safely this very call can be repeated."""
        return operation.safety

    def cost(self, operation: Operation, params: object) -> int:  # noqa: ARG002 - for overriding
        """Return how many units this call counts against a quota, such as the parts of a text message."""
        return 1

    def endpoint(self) -> Endpoint | None:
        """Return where a check should connect first, or None when there is nothing to probe."""
        if not self.base_url:
            return None
        target = Target.parse(self.base_url)
        return Endpoint(target.host, target.port, target.tls)

    def check(self) -> Iterator[Stage]:
        """Yield the vendor's own stages of a connection test. Never sends a message.

        One that uses up a quota, or money, says so in `check_cost`, and runs only where that is allowed.
        """
        yield from ()

    def classify(self, reply: Reply) -> Fault | None:
        """Return what this reply says went wrong, or None. The default knows only HTTP's own words."""
        return fault_by_status(reply)

    @classmethod
    def looks_up(cls) -> bool:
        """Tell whether this vendor can be asked what became of a request."""
        return cls.lookup is not Adapter.lookup

    def lookup(self, operation: Operation, params: Any, sent: Sent) -> Lookup:  # noqa: ARG002 - for overriding
        """Ask the vendor what became of a request that got no answer; sends nothing again.

        Raises Unsupported where the vendor offers no such question.
        """
        raise Unsupported(N_("This service cannot be asked what became of a request."))

    def recipient(self, params: object) -> str | None:
        """Return who this call is for, for the masked recipient in the log."""
        to = getattr(params, "to", None)
        if isinstance(to, (list, tuple)):
            return str(to[0]) if to else None
        return str(to) if to else None


@cache
def _operations(cls: type[Adapter]) -> dict[str, Operation]:
    found: dict[str, Operation] = {}
    for base in reversed(cls.__mro__):
        for name, member in vars(base).items():
            if mark := getattr(member, "__operation__", None):
                operation = _operation(cls.namespace, name, member, *mark)
                found[operation.name] = operation
    return found


def _operation(namespace: str, name: str, method: Any, safety: Safety, label: str) -> Operation:
    hints = get_type_hints(method)
    result = hints.pop("return")
    (params,) = hints.values()
    return Operation(f"{namespace}.{name}", name, params, result, safety, label)
