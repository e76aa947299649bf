"""What every adapter owes: settings that keep their secrets, an honest connection test, and a page that explains it."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from adapters.kit import (
    Catalog,
    EgressPolicy,
    Fault,
    FieldSpec,
    SettingsInvalid,
    Stage,
    Wire,
    run_check,
    verdict,
)
from tests.adapters.samples import PARAMS, SETTINGS
from tests.kit.faulty import FaultyServer, closed_port

ROOT = Path(__file__).parents[1]
CATALOG = Catalog(group=None)
EVERY = pytest.mark.parametrize(
    "adapter", [entry.adapter for entry in CATALOG.entries()], ids=lambda cls: cls.service_type
)
BY_HTTP = pytest.mark.parametrize(
    "adapter",
    [
        entry.adapter
        for entry in CATALOG.entries()
        if any(spec.name == "base_url" for spec in entry.adapter.Config.specs())
    ],
    ids=lambda cls: cls.service_type,
)
LOOPBACK = EgressPolicy.parse("127.0.0.0/8")


def sample(adapter, **changes):
    return SETTINGS[adapter.service_type] | changes


def secrets(adapter):
    return {
        spec.name: sample(adapter)[spec.name]
        for spec in adapter.Config.specs()
        if spec.kind == "secret" and spec.name in sample(adapter)
    }


def at(adapter, url, *, check=True):
    """Return an instance that speaks to a local peer instead of the vendor."""
    config = adapter.Config.parse(sample(adapter, base_url=url))
    wire = Wire.for_check(LOOPBACK, timeout_s=1) if check else Wire.for_call(LOOPBACK, attempt_timeout_s=1)
    return adapter(config, wire)


def check(adapter, behaviour) -> tuple[list[Stage], str]:
    with FaultyServer(behaviour) as server:
        stages = list(run_check(at(adapter, server.url)))
    return stages, verdict(stages)


def answering(status, body=b"{}", headers=""):
    def behave(peer):
        while peer.read():
            peer.answer(body, status=status, headers=headers)

    return behave


def test_no_adapter_is_broken():
    assert {entry.service_type: entry.broken for entry in CATALOG.entries() if entry.broken} == {}


@EVERY
def test_it_says_what_it_is(adapter):
    prefix = adapter.contract.partition("_")[0]

    assert adapter.service_type.startswith(f"{prefix}_PROVIDER_")
    assert adapter.label
    assert adapter.summary.endswith(".")


@EVERY
def test_every_operation_of_its_contract_exists(adapter):
    contract = CATALOG.contracts()[adapter.contract]

    assert adapter.operations() == contract.operations()
    assert adapter.__abstractmethods__ == frozenset()
    for operation in adapter.operations().values():
        assert operation.label
        assert operation.parse(PARAMS[operation.name])
        assert operation.params_schema()
        assert operation.result_schema()


@EVERY
def test_its_settings_survive_being_taken_apart(adapter):
    config = adapter.Config.parse(sample(adapter))
    again = adapter.Config.parse(config.plain() | config.secrets())

    assert again == config
    assert config.secrets() == secrets(adapter)
    assert {spec.name for spec in adapter.Config.specs()} >= set(sample(adapter))
    assert json.loads(json.dumps(config.plain())) == config.plain()


@EVERY
def test_no_secret_shows(adapter):
    config = adapter.Config.parse(sample(adapter))
    wrong = {name: {"nested": value} for name, value in secrets(adapter).items()}
    shown = [
        repr(config),
        str(config),
        config.model_dump_json(),
        str(config.plain()),
        str(adapter.Config.schema()),
    ]
    with pytest.raises(SettingsInvalid) as caught:
        adapter.Config.parse(sample(adapter) | wrong | {"surprise": "canary"})
    shown += [str(caught.value), repr(caught.value), str([error.to_dict() for error in caught.value.errors])]

    assert [text for text in shown if "canary" in text] == []


@EVERY
def test_every_setting_can_be_shown_in_a_form(adapter):
    for spec in adapter.Config.specs():
        assert isinstance(spec, FieldSpec)
        assert spec.label
        assert spec.group in {"basics", "credentials", "endpoint", "advanced"}
        assert spec.kind != "choice" or spec.choices
    assert any(spec.kind == "secret" for spec in adapter.Config.specs())


@EVERY
def test_what_decides_where_secrets_go_is_a_destination(adapter):
    names = {"host", "port", "base_url", "region", "regionId", "security", "ca_bundle", "endpoint", "proxy"}

    assert [spec.name for spec in adapter.Config.specs() if spec.name in names and not spec.destination] == []


@EVERY
def test_its_schema_keeps_secrets_one_way(adapter):
    schema = adapter.Config.schema()

    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == {spec.name for spec in adapter.Config.specs()}
    for name in secrets(adapter):
        text = json.dumps(schema["properties"][name])
        assert '"writeOnly": true' in text
        assert '"format": "password"' in text


@EVERY
def test_what_is_missing_or_unknown_is_named(adapter):
    required = [spec.name for spec in adapter.Config.specs() if spec.required]
    with pytest.raises(SettingsInvalid) as missing:
        adapter.Config.parse({})
    with pytest.raises(SettingsInvalid) as unknown:
        adapter.Config.parse(sample(adapter, surprise="x"))

    assert [(error.field, error.code) for error in missing.value.errors] == [
        (name, "missing") for name in required
    ]
    assert [(error.field, error.code) for error in unknown.value.errors] == [("surprise", "unknown")]


@EVERY
def test_a_page_explains_every_setting(adapter):
    page = (ROOT / adapter.docs).read_text()

    assert [spec.name for spec in adapter.Config.specs() if f"`{spec.name}`" not in page] == []
    assert adapter.service_type in page
    assert adapter.contract in page


@BY_HTTP
@pytest.mark.parametrize(
    ("status", "headers", "stage", "outcome"),
    [
        ("401 Unauthorized", "", "authentication", "rejected"),
        ("429 Too Many Requests", "Retry-After: 3\r\n", "request", "failed"),
        ("503 Service Unavailable", "", "request", "failed"),
        ("500 Internal Server Error", "", "request", "failed"),
        ("302 Found", "Location: http://127.0.0.1:1/\r\n", "request", "failed"),
    ],
)
def test_a_check_tells_one_failure_from_another(adapter, status, headers, stage, outcome):
    stages, found = check(adapter, answering(status, headers=headers))

    assert (stages[-1].name, stages[-1].status, found) == (stage, "failed", outcome)
    assert stages[-1].remedy
    assert stages[-1].code


@BY_HTTP
@pytest.mark.parametrize("body", [b"<html><h1>It works!</h1></html>", b"", b"[]", b'"word"', b"{}"])
def test_a_check_is_not_fooled_by_another_server(adapter, body):
    stages, found = check(adapter, answering("200 OK", body))
    # Of a service without an adapter of its own nothing is known but its status.
    assert found != "verified" or adapter.service_type == "HTTP_PROVIDER_GENERIC", stages


@BY_HTTP
def test_a_check_reads_no_endless_answer(adapter):
    stages, found = check(adapter, answering("200 OK", b" " * 1_100_000))

    assert (stages[-1].code, found) == ("RESPONSE_TOO_LARGE", "failed")


@BY_HTTP
def test_a_check_of_a_silent_server_ends(adapter):
    def silent(peer):
        peer.read()
        peer.hang()

    stages, found = check(adapter, silent)

    assert (stages[-1].status, found) == ("failed", "failed")
    assert stages[-1].code in {"READ_TIMEOUT", "DEADLINE_EXCEEDED"}


@BY_HTTP
def test_a_check_of_a_closed_port_stops_there(adapter):
    stages = list(run_check(at(adapter, f"http://127.0.0.1:{closed_port()}")))

    assert (stages[-1].name, stages[-1].code) == ("tcp", "CONNECT_REFUSED")
    assert verdict(stages) == "failed"


@BY_HTTP
def test_a_check_goes_nowhere_that_is_not_allowed(adapter):
    config = adapter.Config.parse(sample(adapter, base_url="http://127.0.0.1:9"))
    stages = list(run_check(adapter(config, Wire.for_check(EgressPolicy()))))

    assert stages[-1].code == "EGRESS_BLOCKED"


@BY_HTTP
def test_a_check_does_not_do_what_the_operations_do(adapter):
    def line(request):
        method, target, _ = request.split(b"\r\n", 1)[0].decode().split(" ")
        action = [
            head
            for head in request.decode("latin-1").split("\r\n")
            if head.lower().startswith("x-acs-action:")
        ]
        return method, urlsplit(target).path, action

    with FaultyServer(answering("200 OK")) as server:
        list(run_check(at(adapter, server.url)))
        checked = [line(request) for request in server.seen]
    with FaultyServer(answering("200 OK")) as server:
        attempt(at(adapter, server.url, check=False))
        called = [line(request) for request in server.seen]

    assert called
    assert [request for request in checked if request in called] == []


def attempt(adapter):
    """Make the contract's call; return the fault it ended in, if any."""
    for operation in adapter.operations().values():
        try:
            getattr(adapter, operation.method)(operation.parse(PARAMS[operation.name]))
        except Fault as fault:
            return fault
    return None


@BY_HTTP
@pytest.mark.parametrize(
    ("status", "effect"),
    [
        ("400 Bad Request", "REJECTED"),
        ("401 Unauthorized", "REJECTED"),
        ("403 Forbidden", "REJECTED"),
        ("429 Too Many Requests", "REJECTED"),
        ("500 Internal Server Error", "UNKNOWN"),
        ("502 Bad Gateway", "UNKNOWN"),
        ("504 Gateway Timeout", "UNKNOWN"),
    ],
)
def test_a_call_knows_what_a_failure_may_have_done(adapter, status, effect):
    with FaultyServer(answering(status, b"<html>not JSON</html>")) as server:
        fault = attempt(at(adapter, server.url, check=False))

    assert fault.effect == effect
    assert [name for name, value in secrets(adapter).items() if value in str(vars(fault))] == []


@BY_HTTP
def test_a_call_that_gets_no_answer_leaves_the_outcome_unknown(adapter):
    def hang_up(peer):
        peer.read()
        peer.reset()

    with FaultyServer(hang_up) as server:
        fault = attempt(at(adapter, server.url, check=False))

    assert (fault.code, fault.effect) == ("CONNECTION_LOST", "UNKNOWN")


@BY_HTTP
def test_a_call_to_a_closed_port_did_nothing(adapter):
    fault = attempt(at(adapter, f"http://127.0.0.1:{closed_port()}", check=False))

    assert (fault.code, fault.effect) == ("CONNECT_REFUSED", "NONE")


@BY_HTTP
def test_a_call_is_recorded(adapter):
    with FaultyServer(answering("200 OK")) as server:
        made = at(adapter, server.url, check=False)
        attempt(made)

    assert [exchange.status for exchange in made.wire.exchanges] == [200]
