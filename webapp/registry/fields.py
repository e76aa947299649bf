"""The members of a service that are not its adapter's settings, declared once for pages and API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from adapters.kit import Cost, Message, Wrong, N_
from adapters.kit.invalid import field_errors
from adapters.kit.syntax import single_line, web_address
from webapp.registry.errors import Flaw

DEFAULT_TIMEOUT_MS = 10_000
HEALTH_INTERVAL_S = 60


class Strict(BaseModel):
    """A model that refuses what it does not know and never repeats what it was given."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True
    )


class RetryPolicy(Strict):
    """How often one service is tried within a call, and how long to wait between tries."""

    max_attempts: int = Field(default=3, ge=1, le=5, description="Tries on this service, the first included.")
    base_ms: int = Field(default=200, ge=10, le=60_000, description="First wait, in milliseconds.")
    max_ms: int = Field(default=5_000, ge=10, le=300_000, description="Longest wait, in milliseconds.")

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.max_ms < self.base_ms:
            raise Wrong(
                N_("The longest wait cannot be shorter than the first."), field="max_ms", code="range"
            )
        return self


class RateLimit(Strict):
    """A token bucket in front of the service."""

    per_second: float = Field(gt=0, le=10_000, description="Calls a second, on average.")
    burst: int = Field(ge=1, le=100_000, description="Calls that may start at once.")


class Windows(Strict):
    """Most calls, or most money, in each kind of window; those of a day and a month begin in the time zone."""

    minute: float | None = Field(default=None, gt=0, le=1e12)
    hour: float | None = Field(default=None, gt=0, le=1e12)
    day: float | None = Field(default=None, gt=0, le=1e12)
    rolling_day: float | None = Field(default=None, gt=0, le=1e12, description="Any 24 hours.")
    month: float | None = Field(default=None, gt=0, le=1e12)


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise Wrong(N_("There is no such time zone; use a name such as Asia/Shanghai."))
    return value


Price = Annotated[float, Field(ge=0, le=1e6)]
OperationName = Annotated[str, Field(pattern=r"^([a-z_]{1,40}\.[a-z_]{1,39}|\*)$")]


class Quotas(Strict):
    """What a service may take in a window of time, counted by calls and by money."""

    calls: Windows | None = None
    money: Windows | None = None
    recipient_calls: Windows | None = Field(default=None, description="Calls to the same recipient.")
    at_once: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Tries that may be under way at the same time, in all processes together.",
    )
    prices: dict[OperationName, Price] = Field(
        default={},
        max_length=50,
        description="What one unit of an operation costs, such as a part of a message; `*` stands for the others.",
    )
    time_zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    strict: bool = Field(
        default=False,
        description="Refuse calls while the shared counters cannot be read, instead of guessing.",
    )


def _some_quotas(quotas: Quotas | None) -> Quotas | None:
    """Quotas that limit and price nothing are none."""
    windows = [quotas.calls, quotas.money, quotas.recipient_calls] if quotas else []
    limits = any(value is not None for each in windows if each for value in each.model_dump().values())
    return quotas if quotas and (limits or quotas.prices or quotas.at_once) else None


class HealthPolicy(Strict):
    """When a service counts as down, when as well again, and what a check may take."""

    down_after: int = Field(
        default=3, ge=1, le=20, description="So many failed checks among the last `window` mean down."
    )
    window: int = Field(default=5, ge=1, le=30, description="How many of the last checks are looked at.")
    up_after: int = Field(default=2, ge=1, le=20, description="So many good checks in a row mean well again.")
    timeout_s: int = Field(default=8, ge=1, le=60, description="A check that takes longer has failed.")
    slow_ms: int | None = Field(
        default=None, ge=1, le=60_000, description="A check that takes longer means degraded."
    )
    allowed_cost: Cost = Field(
        default="free",
        description="What a check may take from the account at the vendor: nothing, quota, or money.",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.down_after > self.window:
            text = N_("There cannot be more failed checks than checks that are looked at.")
            raise Wrong(text, field="down_after", code="range")
        return self


def _path_or_url(value: str) -> str:
    """Accept a path on the service, or a whole address."""
    if value.startswith("/") and not value.startswith("//") and not set(value) & set(" \\"):
        return value
    return web_address(value)


def _storable(value: str) -> str:
    """Accept text of several lines that every database can keep."""
    if not value.isprintable():
        single_line("".join(value.split()))
    return value


Name = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(single_line)]
Identifier = Annotated[str, Field(min_length=1, max_length=36), AfterValidator(single_line)]
Prose = Annotated[str, Field(max_length=2000), AfterValidator(_storable)]
Address = Annotated[
    str, Field(min_length=1, max_length=2048), AfterValidator(single_line), AfterValidator(_path_or_url)
]


class ServiceFields(Strict):
    """Everything about a service but its type and its settings; the defaults are those of a new one."""

    service_name: Name = Field(description="What people call it; unique, whatever the case of its letters.")
    description: Prose | None = None
    is_enabled: bool = Field(default=False, description="Whether calls may use it.")
    default_timeout_ms: int = Field(default=DEFAULT_TIMEOUT_MS, ge=1000, le=120_000)
    durability: Literal["process", "disk", "database"] = Field(
        default="process",
        description="What the record of a call must have reached before it is sent and before it returns: the "
        "kernel, the disk, or the log.",
    )
    keep_inputs: bool = Field(
        default=False,
        description="Whether the input of failed calls is kept, sealed, as long as bodies are, so that they can be "
        "made again.",
    )
    retry_policy: RetryPolicy = RetryPolicy()
    rate_limit: RateLimit | None = None
    quotas: Annotated[Quotas | None, AfterValidator(_some_quotas)] = None
    health_check_endpoint: Address | None = Field(
        default=None, description="A path on the service, or a whole address, that the health check may read."
    )
    health_interval_s: int = Field(default=HEALTH_INTERVAL_S, ge=10, le=604_800)
    health_policy: HealthPolicy = HealthPolicy()


def parse_fields(values: Mapping[str, Any], *, lax: bool = False) -> tuple[dict[str, Any], list[Flaw]]:
    """Check the given members; answer those that are right, as plain JSON values, and the flaws.

    Null stands for the default, except for the switch. `lax` reads numbers and switches from strings, as forms
    send them, and an empty string as null.
    """
    nothing = (None, "") if lax else (None,)
    given = {name: value for name, value in values.items() if name == "is_enabled" or value not in nothing}
    try:
        fields = ServiceFields.model_validate(given, strict=not lax)
    except ValidationError as failure:
        return {}, flaws_of(failure)
    return fields.model_dump(mode="json"), []


def flaws_of(failure: ValidationError, *prefix: str | int) -> list[Flaw]:
    """The findings of a validation, without a trace of the input."""
    below = Flaw.at(*prefix, code="", message=Message("")).pointer
    return [Flaw(f"{below}{error.pointer}", error.code, error.message) for error in field_errors(failure)]
