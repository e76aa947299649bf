"""Which adapters there are: found in their folders and among installed packages, loaded when first asked for."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from adapters.kit.contract import Adapter
from adapters.kit.operation import Operation
from adapters.kit.text import Message, N_

ENTRY_POINT_GROUP = "patchbay.adapters"


@dataclass(frozen=True, slots=True)
class Entry:
    """One service type. `adapter` is None when it cannot be used; `reason` then says why."""

    service_type: str
    contract: str
    label: str
    adapter: type[Adapter] | None
    module: str
    reason: Message | None = None

    @property
    def broken(self) -> str | None:
        """Return why the adapter cannot be used, in English, or None."""
        return str(self.reason) if self.reason else None


class Catalog:
    """The adapters of one package and its plug-ins. Nothing is imported before the first question."""

    def __init__(self, package: str = "adapters", *, group: str | None = ENTRY_POINT_GROUP) -> None:
        self._package = package
        self._group = group
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] | None = None
        self._contracts: dict[str, type[Adapter]] = {}

    def entries(self) -> list[Entry]:
        """Return every service type, usable or not, in alphabetical order."""
        return sorted(self._loaded().values(), key=lambda entry: entry.service_type)

    def get(self, service_type: str) -> Entry | None:
        """Return one entry, or None when nothing of that name is known."""
        return self._loaded().get(service_type)

    def contracts(self) -> dict[str, type[Adapter]]:
        """Return the contracts by name, such as EMAIL_SERVICE."""
        self._loaded()
        return dict(sorted(self._contracts.items()))

    def operation(self, name: str) -> tuple[str, Operation] | None:
        """Return the contract's name and the operation behind a name such as `email.send`."""
        for contract, cls in self.contracts().items():
            if found := cls.operations().get(name):
                return contract, found
        return None

    def _loaded(self) -> dict[str, Entry]:
        with self._lock:
            if self._entries is None:
                self._entries = self._discover()
            return self._entries

    def _discover(self) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for entry in [*self._in_folders(), *self._in_plugins()]:
            if entry.service_type not in found:
                found[entry.service_type] = entry
        return found

    def _in_folders(self) -> Iterator[Entry]:
        package = importlib.import_module(self._package)
        for kind in pkgutil.iter_modules(package.__path__, f"{self._package}."):
            if not kind.ispkg or kind.name == f"{self._package}.kit":
                continue
            contract = self._contract(kind.name)
            folder = find_spec(kind.name)
            for module in pkgutil.iter_modules(
                folder.submodule_search_locations if folder else None, f"{kind.name}."
            ):
                yield from _entries(module.name, contract)

    def _contract(self, module: str) -> type[Adapter] | None:
        for value in vars(importlib.import_module(module)).values():
            if (
                _is_adapter(value)
                and value.__module__ == module
                and value.contract
                and not value.service_type
            ):
                contract: type[Adapter] = value
                self._contracts[contract.contract] = contract
                return contract
        return None

    def _in_plugins(self) -> Iterator[Entry]:
        for point in entry_points(group=self._group) if self._group else ():
            yield _plugin(point)


def _entries(module: str, contract: type[Adapter] | None) -> Iterator[Entry]:
    try:
        loaded = importlib.import_module(module)
    except Exception as problem:  # noqa: BLE001 - whatever one file does must not take the catalogue down
        yield from _broken(module, contract, _reason(problem))
        return
    for value in vars(loaded).values():
        if _is_adapter(value) and value.__module__ == module and value.service_type:
            yield _usable(value)


def _usable(adapter: type[Adapter]) -> Entry:
    return Entry(adapter.service_type, adapter.contract, adapter.label, adapter, adapter.__module__)


def _is_adapter(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Adapter)


def _reason(problem: Exception) -> Message:
    if isinstance(problem, ModuleNotFoundError) and problem.name:
        return Message.of(N_("needs the package %(package)s"), package=problem.name.partition(".")[0])
    return Message.of(N_("could not be loaded (%(problem)s)"), problem=type(problem).__name__)


def _broken(module: str, contract: type[Adapter] | None, reason: Message) -> Iterator[Entry]:
    kind = contract.contract if contract else ""
    declared = list(_declarations(module))
    if not declared:
        prefix, name = kind.partition("_")[0] or "UNKNOWN", module.rpartition(".")[2].upper()
        declared = [(f"{prefix}_PROVIDER_{name}", module.rpartition(".")[2])]
    for service_type, label in declared:
        yield Entry(service_type, kind, label, None, module, reason)


def _declarations(module: str) -> Iterator[tuple[str, str]]:
    """Read what a file that cannot be imported says about itself."""
    folder = find_spec(module.rpartition(".")[0])
    places = folder.submodule_search_locations if folder else None
    path = Path(next(iter(places or ["."]))) / f"{module.rpartition('.')[2]}.py"
    try:
        tree = ast.parse(path.read_text("utf-8"))
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            words = {key.arg: key.value.value for key in node.keywords if isinstance(key.value, ast.Constant)}
            if isinstance(service_type := words.get("service_type"), str):
                yield service_type, str(words.get("label") or node.name)


def _plugin(point: EntryPoint) -> Entry:
    try:
        adapter = point.load()
    except Exception as problem:  # noqa: BLE001 - a broken plug-in is shown as broken, like a broken file
        return Entry(point.name, "", point.name, None, point.value, _reason(problem))
    if _is_adapter(adapter) and adapter.service_type and adapter.contract:
        return _usable(adapter)
    return Entry(point.name, "", point.name, None, point.value, Message(N_("does not name an adapter class")))
