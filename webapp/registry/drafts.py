"""A draft: the settings of a service as somebody wants them, before anything is stored."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sqlalchemy.orm import Session

from adapters.kit import Entry, FieldSpec, Message, Settings, SettingsInvalid, N_
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.registry.errors import AdapterMissing, Flaw, in_settings
from webapp.vault import BadReference, Reference, Vault

Mode = Literal["put", "patch", "form"]

# Stands in for a stored secret while the rest is checked: nothing has to be opened to change a description.
_STORED = "a-stored-secret"
_MASK = re.compile(r"(?:[•●∙*]{3,}|…).{0,4}")


@dataclass(frozen=True, slots=True)
class Draft:
    """Plain settings, and for each secret one of three actions: keep, replace, clear."""

    entry: Entry
    plain: Mapping[str, Any]
    """Plain settings by wire name; after a draft without errors they carry the adapter's defaults too."""
    replaced: Mapping[str, str | Reference] = field(default_factory=dict, repr=False)
    """New secrets by wire name, or where they are to be fetched from."""
    kept: Mapping[str, str] = field(default_factory=dict)
    """Ids of the stored secrets that stay, by wire name."""
    cleared: frozenset[str] = frozenset()
    errors: tuple[Flaw, ...] = ()

    @classmethod
    def for_new(
        cls, entry: Entry, values: Mapping[str, Any], *, mode: Mode = "put", clear: Collection[str] = ()
    ) -> Draft:
        """Draft the settings of a service that is not stored yet. Raises AdapterMissing."""
        return _draft(entry, stored={}, stored_secrets={}, values=values, mode=mode, clear=clear)

    @classmethod
    def for_change(
        cls,
        service: Service,
        entry: Entry,
        values: Mapping[str, Any],
        *,
        mode: Mode = "patch",
        clear: Collection[str] = (),
    ) -> Draft:
        """Draft a change of a stored service. Raises AdapterMissing.

        `put` replaces all plain settings, `patch` those given, `form` reads an empty secret as *keep*.
        In each, an absent secret is kept, a string replaces it and null (or its name in `clear`) clears it.
        """
        draft = _draft(
            entry,
            stored=service.configurations,
            stored_secrets=service.secrets,
            values=values,
            mode=mode,
            clear=clear,
        )
        return replace(draft, errors=(*draft.errors, *_moved(draft, service.configurations)))

    @classmethod
    def for_restore(
        cls,
        service: Service,
        entry: Entry,
        plain: Mapping[str, Any],
        held: Mapping[str, str],
        values: Mapping[str, Any],
        *,
        clear: Collection[str] = (),
    ) -> Draft:
        """Draft going back to the settings `plain` and the secrets `held`; `values` are secrets typed again."""
        draft = _draft(entry, stored=plain, stored_secrets=held, values=values, mode="patch", clear=clear)
        return replace(draft, errors=(*draft.errors, *_moved(draft, service.configurations)))

    def config(self, session: Session, vault: Vault) -> Settings:
        """The adapter's settings with the kept secrets opened. Raises SecretUnreadable, SettingsInvalid."""
        opened = {name: vault.open(session, secret_id) for name, secret_id in self.kept.items()}
        given = {name: _value(vault, secret) for name, secret in self.replaced.items()}
        return _config_class(self.entry).parse({**self.plain, **opened, **given})


def _value(vault: Vault, secret: str | Reference) -> str:
    return vault.look_up(secret) if isinstance(secret, Reference) else secret


def secret_specs(entry: Entry) -> dict[str, FieldSpec]:
    """The secrets an adapter knows, by wire name; empty when it does not load."""
    if entry.adapter is None:
        return {}
    return {spec.name: spec for spec in entry.adapter.Config.specs() if spec.kind == "secret"}


def _config_class(entry: Entry) -> type[Settings]:
    if entry.adapter is None:
        raise AdapterMissing(entry.service_type, entry.broken)
    return entry.adapter.Config


def _draft(
    entry: Entry,
    *,
    stored: Mapping[str, Any],
    stored_secrets: Mapping[str, str],
    values: Mapping[str, Any],
    mode: Mode,
    clear: Collection[str],
) -> Draft:
    config_class = _config_class(entry)
    secrets = secret_specs(entry)
    if mode == "form":
        values = {name: value for name, value in values.items() if value != ""}
    plain = {name: value for name, value in values.items() if name not in secrets and value is not None}
    if mode == "patch":
        known = {spec.name for spec in config_class.specs()}
        plain = {name: stored[name] for name in stored if name in known and name not in values} | plain
    given = {name: value for name, value in values.items() if name in secrets}
    replaced = {name: secret for name, value in given.items() if (secret := _new_secret(value)) is not None}
    emptied = {name for name, value in given.items() if value is None} | (secrets.keys() & set(clear))
    cleared = frozenset(emptied - replaced.keys())
    kept = {name: stored_secrets[name] for name in stored_secrets if name in secrets}
    kept = {name: secret_id for name, secret_id in kept.items() if name not in cleared | replaced.keys()}
    flaws = [*_wrong_secrets(given), *_cleared_but_needed(secrets, cleared)]
    return _checked(Draft(entry, plain, replaced, kept, cleared, tuple(flaws)), config_class)


def _wrong_secrets(given: Mapping[str, Any]) -> Iterator[Flaw]:
    """Refuse what cannot be a secret: bad references, other types, nothing, and masks."""
    for name, value in given.items():
        if value is not None and (wrong := _wrong(value)):
            code, text = wrong
            message = text if isinstance(text, Message) else Message.of(text)
            yield Flaw.at("configurations", name, code=code, message=message)


def _new_secret(value: Any) -> str | Reference | None:
    """A secret or a reference as it was given; None for what is neither."""
    if isinstance(value, str):
        return value
    try:
        return Reference.parse(value["$ref"]) if _is_reference(value) else None
    except BadReference:
        return None


def _is_reference(value: Any) -> bool:
    return isinstance(value, Mapping) and value.keys() == {"$ref"} and isinstance(value["$ref"], str)


def _wrong_reference(value: Mapping[str, Any]) -> tuple[str, str | Message] | None:
    if not _is_reference(value):
        return "bad_reference", N_("Give either the secret itself or a reference to it, not both.")
    try:
        Reference.parse(value["$ref"])
    except BadReference as bad:
        return "bad_reference", bad.message
    return None


def _wrong(value: Any) -> tuple[str, str | Message] | None:
    if isinstance(value, Mapping) and "$ref" in value:
        return _wrong_reference(value)
    if not isinstance(value, str):
        return "type", N_("A secret is a text.")
    if not value.strip():
        return "too_short", N_("A secret is not empty: leave it out to keep it, send null to clear it.")
    if _MASK.fullmatch(value):
        return "mask", N_("This is a mask, not a secret: leave it out to keep the stored one.")
    return None


def _cleared_but_needed(secrets: Mapping[str, FieldSpec], cleared: Collection[str]) -> Iterator[Flaw]:
    for name in sorted(cleared):
        if secrets[name].required:
            text = Message.of(N_("This secret is required: replace it instead of clearing it."))
            yield Flaw.at("configurations", name, code="missing", message=text)


def _referred(draft: Draft) -> set[str]:
    return {name for name, secret in draft.replaced.items() if isinstance(secret, Reference)}


def _typed(draft: Draft) -> dict[str, str]:
    """The new secrets, a stand-in for those that are elsewhere: they are judged when they are fetched."""
    return {
        name: _STORED if isinstance(secret, Reference) else secret for name, secret in draft.replaced.items()
    }


def _checked(draft: Draft, config_class: type[Settings]) -> Draft:
    """Let the adapter judge the whole, stored secrets represented by a stand-in."""
    stand_ins = dict.fromkeys(draft.kept, _STORED)
    try:
        config = config_class.parse({**draft.plain, **stand_ins, **_typed(draft)})
    except SettingsInvalid as invalid:
        known = {flaw.field for flaw in draft.errors}
        found = [
            e
            for e in invalid.errors
            if not {e.field.partition("/")[0]} & (known | draft.kept.keys() | _referred(draft))
        ]
        return replace(draft, errors=(*draft.errors, *in_settings(found)))
    return replace(draft, plain=plain_settings(config))


def plain_settings(config: Settings) -> dict[str, Any]:
    """The settings that are not secret, as JSON by wire name, defaults included, empty ones left out."""
    return {name: value for name, value in config.plain().items() if value not in (None, "")}


def _moved(draft: Draft, stored: Mapping[str, Any]) -> Iterator[Flaw]:
    """A stored secret is bound to its destination: sent elsewhere, it must be typed again."""
    moved = moved_to(draft.entry, draft.plain, stored)
    if not moved:
        return
    text = N_("%(moved)s was changed: enter this secret again, so that it goes nowhere you did not mean.")
    message = Message.of(text, moved=", ".join(spec.name for spec in moved))
    for name in sorted(draft.kept):
        yield Flaw.at("configurations", name, code="reenter_secret", message=message)


def moved_to(entry: Entry, wanted: Mapping[str, Any], stored: Mapping[str, Any]) -> list[FieldSpec]:
    """The settings that lead elsewhere than those stored: a host, a base address, a region, a certificate authority."""
    specs = [spec for spec in _config_class(entry).specs() if spec.destination]
    return [s for s in specs if wanted.get(s.name, s.default) != stored.get(s.name, s.default)]


def is_moved(entry: Entry, wanted: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
    """Whether secrets stored for one destination would go to another."""
    return bool(moved_to(entry, wanted, stored))
