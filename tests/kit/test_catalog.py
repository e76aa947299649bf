"""Discovery: folders and plug-ins, lazily, and a broken file is shown as broken instead of taking all down."""

import sys

import pytest

from adapters.kit import Adapter, Catalog

CONTRACT = """
from abc import abstractmethod
from adapters.kit import Adapter, Safety, operation, payload

@payload
class Ping:
    to: str

@payload
class Pong:
    text: str

class Pings(Adapter, contract="PING_SERVICE", namespace="ping", label="Ping"):
    @operation(Safety.READ)
    @abstractmethod
    def send(self, ping: Ping) -> Pong: ...
"""
GOOD = """
from made_up.ping import Ping, Pings, Pong

class Good(Pings, service_type="PING_PROVIDER_GOOD", label="Good", docs="docs/good.md", summary="Needs nothing."):
    def send(self, ping: Ping) -> Pong:
        return Pong(ping.to)
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "made_up" / "ping").mkdir(parents=True)
    (tmp_path / "made_up" / "__init__.py").write_text("")
    (tmp_path / "made_up" / "ping" / "__init__.py").write_text(CONTRACT)
    (tmp_path / "made_up" / "ping" / "good.py").write_text(GOOD)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "made_up"
    for name in [name for name in sys.modules if name.split(".")[0] == "made_up"]:
        del sys.modules[name]


def test_nothing_is_imported_before_the_first_question(package):
    Catalog("made_up", group=None)

    assert "made_up.ping" not in sys.modules


def test_adapters_and_contracts_are_found_in_their_folders(package):
    catalog = Catalog("made_up", group=None)

    (entry,) = catalog.entries()
    assert (entry.service_type, entry.contract, entry.label, entry.broken) == (
        "PING_PROVIDER_GOOD",
        "PING_SERVICE",
        "Good",
        None,
    )
    assert issubclass(entry.adapter, Adapter)
    assert catalog.get("PING_PROVIDER_GOOD") is entry
    assert catalog.get("PING_PROVIDER_NONE") is None
    contract, operation = catalog.operation("ping.send")
    assert (contract, operation.safety, operation.parse({"to": "x"}).to) == ("PING_SERVICE", "READ", "x")
    assert catalog.operation("ping.other") is None


def test_a_missing_package_is_named_and_the_file_still_tells_its_service_type(package):
    text = GOOD.replace("PING_PROVIDER_GOOD", "PING_PROVIDER_NEEDY").replace('label="Good"', 'label="Needy"')
    (package / "ping" / "needy.py").write_text(f"import not_installed_anywhere.deep\n{text}")
    entry = Catalog("made_up", group=None).get("PING_PROVIDER_NEEDY")

    assert entry.adapter is None
    assert (entry.label, entry.contract) == ("Needy", "PING_SERVICE")
    assert entry.broken == "needs the package not_installed_anywhere"


@pytest.mark.parametrize(("text", "kind"), [("def (", "SyntaxError"), ("1 / 0", "ZeroDivisionError")])
def test_a_file_that_cannot_be_loaded_is_shown_as_broken(package, text, kind):
    (package / "ping" / "wrong.py").write_text(text)
    catalog = Catalog("made_up", group=None)

    assert catalog.get("PING_PROVIDER_WRONG").broken == f"could not be loaded ({kind})"
    assert catalog.get("PING_PROVIDER_GOOD").adapter


def test_a_plug_in_is_found_and_a_bad_one_is_shown_as_broken(package):
    information = package.parent / "plug-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1\n")
    (information / "entry_points.txt").write_text(
        "[made.up]\nPING_PROVIDER_X = made_up.ping.good:Good\nPING_PROVIDER_Y = nowhere:Y\nPING_PROVIDER_Z = json:dumps\n"
    )
    catalog = Catalog("made_up", group="made.up")

    assert [entry.service_type for entry in catalog.entries()] == [
        "PING_PROVIDER_GOOD",
        "PING_PROVIDER_Y",
        "PING_PROVIDER_Z",
    ]
    assert catalog.get("PING_PROVIDER_Y").broken == "needs the package nowhere"
    assert catalog.get("PING_PROVIDER_Z").broken


def test_the_three_contracts_are_there():
    assert set(Catalog().contracts()) >= {"EMAIL_SERVICE", "SMS_SERVICE", "HTTP_SERVICE"}


def test_a_service_type_has_its_form():
    with pytest.raises(TypeError, match="KIND_PROVIDER_VENDOR"):
        type("Odd", (Adapter,), {}, service_type="mail")
