"""Mail servers that stop, slow, flap, or whose certificate is about to end: what is found, told, and told when it is over."""

from __future__ import annotations

import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.engine.vendor import closed_port
from webapp.models.health import ServiceHealth


class Taker:
    """An SMTP server that takes everything and keeps nothing."""

    async def handle_DATA(self, *_):  # noqa: N802 - the name aiosmtpd looks for
        return "250 OK"


@pytest.fixture
def smtp():
    controller = Controller(Taker(), hostname="127.0.0.1", port=closed_port())
    controller.start()
    yield controller
    with suppress(Exception):
        controller.stop()


def certificate(tmp_path, days, key):
    """A self-signed certificate for localhost that ends in so many days, and its key, in one file each."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"localhost for {days} days")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    crt, pem = tmp_path / "server.crt", tmp_path / "server.key"
    crt.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return crt, pem


def tls_context(tmp_path, days, private):
    """How a server introduces itself, and who vouches for it."""
    crt, key = certificate(tmp_path, days, private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(crt, key)
    return context, crt.read_text()


def mail_server(port, **more):
    """An SMTP server that runs."""
    controller = Controller(Taker(), hostname="127.0.0.1", port=port, **more)
    controller.start()
    return controller


@pytest.fixture
def private():
    """The key of the server, the same under each of its certificates."""
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def tls_server(tmp_path, private):
    """A mail server with encryption whose certificate ends in five days; answers its port and who vouches for it."""
    context, authority = tls_context(tmp_path, 5, private)
    controller = mail_server(closed_port(), ssl_context=context)
    yield controller, authority
    with suppress(Exception):
        controller.stop()


def test_a_certificate_that_ends_soon_is_told_before_it_does(monitor, clock, tls_server, receiver, add):
    clock.at = datetime.now(UTC)
    server, authority = tls_server
    port = server.port
    settings = {
        "host": "localhost",
        "port": port,
        "security": "tls",
        "from_address": "a@example.com",
        "ca_bundle": authority,
    }
    service_id = add("Relay", service_type="EMAIL_PROVIDER_SMTP", configurations=settings)
    monitor.rule(monitor.channel(name="Hook", kind="webhook", url=receiver.url), states=["degraded"])
    monitor.round(3)

    assert monitor.state(service_id) == "degraded"
    assert receiver.kinds == ["problem"]
    assert "The certificate is valid for 5 more days only." in receiver.told[0]["text"]


def test_a_certificate_is_renewed_and_the_server_stops_and_flaps(
    monitor, clock, tmp_path, private, tls_server, receiver, add
):
    """Everything that becomes of a mail server with encryption: each trouble is told once, each end once."""
    clock.at = datetime.now(UTC)
    server, authority = tls_server
    port = server.port
    context, renewed = tls_context(tmp_path, 300, private)
    settings = {
        "host": "localhost", "port": port, "security": "tls", "from_address": "a@example.com",
        "ca_bundle": f"{authority}\n{renewed}",
    }  # fmt: skip
    service_id = add("Relay", service_type="EMAIL_PROVIDER_SMTP", configurations=settings)
    states = ["degraded", "down"]
    monitor.rule(monitor.channel(name="Hook", kind="webhook", url=receiver.url), states=states)
    monitor.round(3)
    assert (monitor.state(service_id), receiver.kinds) == ("degraded", ["problem"])

    server.stop()
    server = mail_server(port, ssl_context=context)
    monitor.round(2)
    assert (monitor.state(service_id), receiver.kinds) == ("healthy", ["problem", "recovery"])
    for _ in range(4):  # two failures and a good check, again and again
        server.stop()
        monitor.round(2)
        server = mail_server(port, ssl_context=context)
        monitor.round(1)
    assert receiver.kinds == ["problem", "recovery", "problem"]
    monitor.round(8)
    server.stop()

    assert (monitor.state(service_id), receiver.kinds) == ("healthy", ["problem", "recovery"] * 2)
    assert [one.state for one in monitor.incidents] == ["degraded", "down"]


def test_a_mail_server_that_stops_and_starts_again(monitor, smtp, add, receiver):
    settings = {"host": "127.0.0.1", "port": smtp.port, "security": "none", "from_address": "a@example.com"}
    service_id = add("Relay", service_type="EMAIL_PROVIDER_SMTP", configurations=settings)
    monitor.rule(monitor.channel(name="Hook", kind="webhook", url=receiver.url))
    monitor.round(1)
    assert monitor.state(service_id) == "degraded"  # it speaks without encryption
    smtp.stop()
    monitor.round(4)
    assert monitor.state(service_id) == "down"
    again = Controller(Taker(), hostname="127.0.0.1", port=smtp.port)
    again.start()
    monitor.round(3)
    again.stop()

    assert monitor.state(service_id) == "degraded"
    assert receiver.kinds == ["problem", "recovery"]


def test_a_mail_server_that_slows_is_degraded_and_told_once(monitor, clock, add, tmp_path, private, receiver):
    clock.at = datetime.now(UTC)

    class Slow(Taker):
        async def handle_EHLO(self, server, session, envelope, hostname, responses):  # noqa: N802, ARG002
            monitor.clock.advance(slow["by"])
            session.host_name = hostname
            return responses

    slow = {"by": 0.0}
    context, authority = tls_context(tmp_path, 300, private)
    server = Controller(Slow(), hostname="127.0.0.1", port=closed_port(), ssl_context=context)
    server.start()
    settings = {
        "host": "localhost", "port": server.port, "security": "tls", "from_address": "a@example.com",
        "ca_bundle": authority,
    }  # fmt: skip
    service_id = add(
        "Relay", service_type="EMAIL_PROVIDER_SMTP", configurations=settings, health_policy={"slow_ms": 300}
    )
    monitor.rule(monitor.channel(name="Hook", kind="webhook", url=receiver.url), states=["degraded"])
    monitor.round(2)
    assert monitor.state(service_id) == "healthy"
    slow["by"] = 0.5
    monitor.round(4)
    server.stop()

    assert (monitor.state(service_id), receiver.kinds) == ("degraded", ["problem"])
    with monitor.runtime.sessions() as session:
        names = [stage["name"] for stage in session.get(ServiceHealth, service_id).detail["stages"]]
    assert names[-1] == "latency"
