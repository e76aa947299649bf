"""What an adapter's author imports."""

from __future__ import annotations

from adapters.kit.address import EgressPolicy, resolve
from adapters.kit.auth import Auth, Basic, Bearer, HeaderKey, Outgoing, QueryKey
from adapters.kit.catalog import Catalog, Entry
from adapters.kit.check import certificate_stage, run_check, verdict
from adapters.kit.clock import Clock, FixedClock, SystemClock
from adapters.kit.contract import Adapter, Cost, Endpoint
from adapters.kit.errors import (
    Blocked,
    Effect,
    Exhausted,
    Fault,
    Forbidden,
    Misconfigured,
    Refused,
    Throttled,
    Unavailable,
    Unreachable,
    Unsupported,
    Unsure,
)
from adapters.kit.fields import FieldSpec
from adapters.kit.http import Http
from adapters.kit.invalid import FieldError, InputInvalid, Wrong
from adapters.kit.lookup import Lookup, Sent
from adapters.kit.operation import Operation, ParamsInvalid, Safety, operation, payload
from adapters.kit.remedies import REMEDIES
from adapters.kit.reply import Reply
from adapters.kit.settings import Settings, SettingsInvalid, secret, setting
from adapters.kit.stage import Stage
from adapters.kit.statuses import fault_by_status
from adapters.kit.syntax import Address, Addresses, Base64, HeaderName, Line, MediaType, Recipients
from adapters.kit.text import Message, N_
from adapters.kit.tls import tls_context
from adapters.kit.transport import Transport, transport_for
from adapters.kit.url import Target
from adapters.kit.wire import Exchange, Wire

__all__ = [
    "N_",
    "REMEDIES",
    "Adapter",
    "Address",
    "Addresses",
    "Auth",
    "Base64",
    "Basic",
    "Bearer",
    "Blocked",
    "Catalog",
    "Clock",
    "Cost",
    "Effect",
    "EgressPolicy",
    "Endpoint",
    "Entry",
    "Exchange",
    "Exhausted",
    "Fault",
    "FieldError",
    "FieldSpec",
    "FixedClock",
    "Forbidden",
    "HeaderKey",
    "HeaderName",
    "Http",
    "InputInvalid",
    "Line",
    "Lookup",
    "MediaType",
    "Message",
    "Misconfigured",
    "Operation",
    "Outgoing",
    "ParamsInvalid",
    "QueryKey",
    "Recipients",
    "Refused",
    "Reply",
    "Safety",
    "Sent",
    "Settings",
    "SettingsInvalid",
    "Stage",
    "SystemClock",
    "Target",
    "Throttled",
    "Transport",
    "Unavailable",
    "Unreachable",
    "Unsupported",
    "Unsure",
    "Wire",
    "Wrong",
    "certificate_stage",
    "fault_by_status",
    "operation",
    "payload",
    "resolve",
    "run_check",
    "secret",
    "setting",
    "tls_context",
    "transport_for",
    "verdict",
]
