"""Attacks on single requests, by their numbers in the list: 41 the surroundings · 43 answers without end · 45 names."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from adapters.kit import EgressPolicy, Fault, Http, Wire
from tests.kit.faulty import FaultyServer, certificate, closed_port, well

LOOPBACK = EgressPolicy.parse("127.0.0.0/8")
HEAD = b"HTTP/1.1 200 OK\r\n"


def line(timeout=5.0, policy=LOOPBACK):
    return Wire.for_call(policy, attempt_timeout_s=timeout)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"])
def test_41_no_proxy_of_the_environment_is_used(monkeypatch, name):
    monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("NO_PROXY", "")
    with FaultyServer(well) as server:
        assert Http(line()).get(server.url, raw=True).status == 200


def test_41_no_password_comes_out_of_a_netrc(monkeypatch, tmp_path):
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login lin password of-another-program\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    with FaultyServer(well) as server:
        Http(line()).get(server.url, raw=True)

        assert b"authorization" not in server.seen[0].lower()


@pytest.mark.parametrize(
    "how", [{"proxies": {"http": "http://127.0.0.1:9"}}, {"proxy": "http://127.0.0.1:9"}]
)
def test_41_no_proxy_can_be_asked_for(how):
    with FaultyServer(well) as server:
        with pytest.raises(TypeError):
            Http(line()).get(server.url, raw=True, **how)

        assert server.connections == 0


def a_hundred_thousand_headers(peer):
    peer.read()
    peer.say(HEAD + b"".join(b"X-%d: 1\r\n" % number for number in range(100_000)) + b"\r\n")


def a_byte_now_and_then(peer):
    peer.read()
    peer.say(HEAD + b"Content-Length: 100000\r\n\r\n")
    peer.drip(b"x" * 100_000, every=0.2)


def for_ever(peer):
    peer.read()
    peer.say(HEAD + b"Connection: close\r\n\r\n")
    while True:
        peer.say(b"x" * 100_000)


def less_than_announced(peer):
    peer.read()
    peer.say(HEAD + b"Content-Length: 1000000\r\n\r\nx")


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (a_hundred_thousand_headers, "MALFORMED_RESPONSE"),
        (a_byte_now_and_then, "READ_TIMEOUT"),
        (for_ever, "RESPONSE_TOO_LARGE"),
        (less_than_announced, "RESPONSE_TRUNCATED"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_43_no_answer_takes_longer_or_more_than_allowed(behaviour, code):
    with FaultyServer(behaviour) as server:
        began = time.monotonic()
        with pytest.raises(Fault) as caught:
            Http(line(1.0)).get(server.url, raw=True)

        assert caught.value.code == code
        assert time.monotonic() - began < 2


def test_45_the_name_stays_in_the_handshake_and_in_the_header_with_its_port(tmp_path):
    """The connection goes to the checked address, under the name that was asked for."""
    tls, pem = certificate(tmp_path, "vendor.example")
    asked = []
    tls.sni_callback = lambda _socket, name, _context: asked.append(name)
    policy = replace(LOOPBACK, lookup=lambda *_: ["127.0.0.1"])
    with FaultyServer(well, tls=tls) as server:
        wire = line(policy=policy)
        wire.ca_bundle = pem
        reply = Http(wire).get(f"https://vendor.example:{server.port}/", raw=True)

        assert reply.status == 200
        assert asked == ["vendor.example"]
        assert f"\r\nHost: vendor.example:{server.port}\r\n".encode() in server.seen[0]
