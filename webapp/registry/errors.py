"""Why the registry refuses: one small family of exceptions, each with a code and a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from adapters.kit import FieldError, Message, N_


@dataclass(frozen=True, slots=True)
class Flaw:
    """One wrong member of a request: where (a JSON pointer), what kind, and a sentence."""

    pointer: str
    code: str
    message: Message

    @property
    def field(self) -> str:
        """The member's own name: the last part of the pointer."""
        return self.pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")

    @classmethod
    def at(cls, *path: str | int, code: str, message: Message) -> Flaw:
        """A flaw at a path of names and indexes, escaped as RFC 6901 asks."""
        steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
        return cls("".join(f"/{step}" for step in steps), code, message)


def in_settings(errors: Iterable[FieldError]) -> list[Flaw]:
    """The adapter's own findings, as flaws below `/configurations`."""
    return [Flaw(f"/configurations{error.pointer}", error.code, error.message) for error in errors]


class RegistryError(Exception):
    """A refusal by the registry; nothing has been saved."""

    def __init__(self, code: str, message: Message, errors: Sequence[Flaw] = ()) -> None:
        super().__init__(str(message))
        self.code = code
        self.message = message
        self.errors = tuple(errors)


class Invalid(RegistryError):
    """Some members are wrong; `errors` names each."""

    def __init__(self, errors: Sequence[Flaw]) -> None:
        super().__init__("REQUEST_INVALID", Message.of(N_("Some values are not valid.")), errors)


class NotFound(RegistryError):
    """There is no such service, revision or route."""

    def __init__(self, message: Message, code: str = "CONFIG_NOT_FOUND") -> None:
        super().__init__(code, message)


class Conflict(RegistryError):
    """The request contradicts what is stored; `code` says how."""


class Stale(RegistryError):
    """Somebody else saved first; `current_revision` is what is stored now."""

    def __init__(self, current_revision: int) -> None:
        text = N_("This was changed in the meantime: the stored revision is %(revision)s.")
        super().__init__("STALE_REVISION", Message.of(text, revision=current_revision))
        self.current_revision = current_revision


class AdapterMissing(RegistryError):
    """The adapter of this service type is not installed or does not load."""

    def __init__(self, service_type: str, reason: str | None = None) -> None:
        if reason is None:
            message = Message.of(N_("There is no adapter %(service_type)s."), service_type=service_type)
        else:
            text = N_("The adapter %(service_type)s cannot be used: %(reason)s.")
            message = Message.of(text, service_type=service_type, reason=reason)
        super().__init__("ADAPTER_MISSING", message)
        self.service_type = service_type
        self.reason = reason


class KeysUnavailable(RegistryError):
    """The vault is locked or its key provider does not answer, so no secret can be sealed or opened."""

    def __init__(self, message: Message) -> None:
        super().__init__("KEY_UNAVAILABLE", message)


class TooManyTests(RegistryError):
    """This person tests too often; `retry_after_s` says how long to wait."""

    def __init__(self, retry_after_s: int) -> None:
        text = N_("Too many tests: try again in %(seconds)s seconds.")
        super().__init__("RATE_LIMITED_LOCAL", Message.of(text, seconds=retry_after_s))
        self.retry_after_s = retry_after_s
