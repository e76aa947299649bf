"""The staged connection test, up to its verdict."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from adapters.http import HttpService, Request, Response
from adapters.kit import (
    Bearer,
    EgressPolicy,
    Endpoint,
    Forbidden,
    Settings,
    Stage,
    Wire,
    run_check,
    secret,
    setting,
    verdict,
)
from tests.kit.faulty import FaultyServer, Peer, certificate, closed_port, well

LOOPBACK = EgressPolicy.parse("127.0.0.0/8")


class Example(HttpService, service_type="HTTP_PROVIDER_EXAMPLE", label="Example"):
    class Config(Settings):
        base_url: str = setting("Base address", kind="url", destination=True)
        key: SecretStr = secret("Key")

    config: Config
    ca_bundle: str | None = None

    def auth(self) -> Bearer:
        return Bearer(self.config.key)

    def endpoint(self) -> Endpoint | None:
        found = super().endpoint()
        return found and Endpoint(found.host, found.port, found.tls, self.ca_bundle)

    def check(self) -> Iterator[Stage]:
        self.http.get("/me")
        yield Stage.ok("authentication", "The key works.")

    def request(self, request: Request) -> Response:  # noqa: ARG002
        return Response(200, {})


def adapter(url: str, **attributes) -> Example:
    wire = Wire.for_check(LOOPBACK, timeout_s=5)
    made = Example(Example.Config.parse({"base_url": url, "key": "k"}), wire)
    for name, value in attributes.items():
        setattr(made, name, value)
        made.wire.ca_bundle = value
    return made


def names(stages: list[Stage]) -> list[tuple[str, str]]:
    return [(stage.name, stage.status) for stage in stages]


def test_a_good_service_passes_every_stage(tmp_path):
    tls, pem = certificate(tmp_path)
    with FaultyServer(well, tls=tls) as server:
        stages = list(run_check(adapter(server.url, ca_bundle=pem)))

    assert names(stages) == [
        ("settings", "ok"),
        ("dns", "ok"),
        ("tcp", "ok"),
        ("tls", "ok"),
        ("authentication", "ok"),
    ]
    assert verdict(stages) == "verified"
    assert "90" in str(stages[3].message)
    assert all(stage.duration_ms >= 0 for stage in stages)


def test_a_certificate_about_to_end_is_a_warning(tmp_path):
    tls, pem = certificate(tmp_path, days=5)
    with FaultyServer(well, tls=tls) as server:
        stages = list(run_check(adapter(server.url, ca_bundle=pem)))

    assert ("tls", "warning") in names(stages)
    assert verdict(stages) == "verified"


def test_an_untrusted_certificate_ends_the_check_at_tls(tmp_path):
    tls, _ = certificate(tmp_path)
    with FaultyServer(well, tls=tls) as server:
        stages = list(run_check(adapter(server.url)))

    assert names(stages)[-1] == ("tls", "failed")
    assert stages[-1].code == "TLS_CERT_INVALID"
    assert stages[-1].remedy
    assert verdict(stages) == "failed"


def test_a_closed_port_ends_the_check_at_tcp():
    stages = list(run_check(adapter(f"http://127.0.0.1:{closed_port()}")))

    assert names(stages) == [("settings", "ok"), ("dns", "ok"), ("tcp", "failed")]
    assert stages[-1].code == "CONNECT_REFUSED"


def test_a_forbidden_destination_ends_the_check_at_its_name():
    stages = list(run_check(adapter("https://10.0.0.1")))

    assert names(stages)[-1] == ("dns", "failed")
    assert stages[-1].code == "EGRESS_BLOCKED"
    assert "PATCHBAY_EGRESS_ALLOW" in str(stages[-1].remedy)


@pytest.mark.parametrize(
    ("status", "stage", "sum"),
    [
        ("401 Unauthorized", "authentication", "rejected"),
        ("403 Forbidden", "permission", "limited"),
        ("402 Payment Required", "quota", "limited"),
        ("500 Oops", "request", "failed"),
        ("302 Found", "request", "failed"),
    ],
)
def test_a_refusal_is_shown_at_its_stage(status, stage, sum):  # noqa: A002
    def refuse(peer: Peer) -> None:
        while peer.read():
            peer.answer(b"", status=status)

    with FaultyServer(refuse) as server:
        stages = list(run_check(adapter(server.url)))

    assert names(stages)[-1] == (stage, "failed")
    assert stages[-1].remedy
    assert verdict(stages) == sum


def test_what_cannot_be_proved_is_said_so():
    told = [Stage.ok("tls", "x"), Stage.skipped("authentication", "This vendor offers no proof.")]

    assert verdict(told) == "unverifiable"
    assert verdict([]) == "unverifiable"
    assert verdict([Stage.ok("authentication", "x"), Stage.warning("sender", "x")]) == "limited"


def test_a_fault_may_name_the_field_to_fix():
    stage = Stage.of_fault(Forbidden("No.", field="key"))

    assert (stage.name, stage.field, stage.to_dict()["message"]) == ("permission", "key", "No.")
