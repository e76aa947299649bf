"""Real faults of real sockets: each is named, its effect is known, and it never lasts longer than allowed."""

import gzip
import socket
import time

import pytest

from adapters.kit import Effect, EgressPolicy, Fault, Http, Reply, Safety, Wire, tls_context
from tests.kit.faulty import Behaviour, FaultyServer, Peer, certificate, closed_port, well

LOOPBACK = EgressPolicy.parse("127.0.0.0/8")
HEAD = b"HTTP/1.1 200 OK\r\n"


def line(timeout: float = 5, **how) -> Wire:
    wire = Wire.for_call(LOOPBACK, attempt_timeout_s=timeout, **how)
    wire.connect_timeout_s = min(timeout, 3.0)
    return wire


def post(url: str, wire: Wire, **how) -> Reply:
    return Http(wire).post(url, data=b"x", raw=True, **how)


def fault_of(
    behaviour: Behaviour, *, timeout: float = 0.5, tls=None, **how
) -> tuple[Fault, Wire, FaultyServer]:
    with FaultyServer(behaviour, tls=tls) as server:
        wire = line(timeout, **how)
        started = time.monotonic()
        with pytest.raises(Fault) as caught:
            post(f"{server.url}/send", wire)

        assert time.monotonic() - started < timeout + 2
        return caught.value, wire, server


def close_at_once(peer: Peer) -> None:
    peer.reset()


def read_then_reset(peer: Peer) -> None:
    peer.read()
    peer.reset()


def read_then_close(peer: Peer) -> None:
    peer.read()


def read_then_hang(peer: Peer) -> None:
    peer.read()
    peer.hang()


def half_headers(peer: Peer) -> None:
    peer.read()
    peer.say(HEAD + b"X-Half")
    peer.hang()


def header_drip(peer: Peer) -> None:
    peer.read()
    peer.drip(HEAD + b"X-Slow: " + b"a" * 1000)


def body_drip(peer: Peer) -> None:
    peer.read()
    peer.say(HEAD + b"Content-Length: 1000\r\n\r\n")
    peer.drip(b"b" * 1000)


def endless_body_drip(peer: Peer) -> None:
    peer.read()
    peer.say(HEAD + b"Connection: close\r\n\r\n")
    peer.drip(b"b" * 1000)


def body_stalls(peer: Peer) -> None:
    peer.read()
    peer.say(HEAD + b"Content-Length: 1000\r\n\r\nabcdef")
    peer.hang()


def truncated(peer: Peer) -> None:
    peer.read()
    peer.say(HEAD + b"Content-Length: 1000\r\n\r\nabcdef")


def bad_gzip(peer: Peer) -> None:
    peer.read()
    peer.answer(b"this is not gzip", headers="Content-Encoding: gzip\r\n")


def bad_chunk(peer: Peer) -> None:
    peer.read()
    peer.say(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n")


def bad_status_line(peer: Peer) -> None:
    peer.read()
    peer.say(b"220 mail.example.com ESMTP ready\r\n\r\n")


def many_headers(peer: Peer) -> None:
    peer.read()
    peer.say(HEAD + b"".join(b"X-%d: 1\r\n" % number for number in range(200)) + b"\r\n")


def long_header(peer: Peer) -> None:
    peer.read()
    peer.say(HEAD + b"X-Long: " + b"a" * 70_000 + b"\r\n\r\n")


def endless_continue(peer: Peer) -> None:
    peer.read()
    peer.drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 400, every=0.001)


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (read_then_reset, "CONNECTION_LOST"),
        (read_then_close, "CONNECTION_LOST"),
        (read_then_hang, "READ_TIMEOUT"),
        (half_headers, "READ_TIMEOUT"),
        (header_drip, "READ_TIMEOUT"),
        (body_drip, "READ_TIMEOUT"),
        (endless_body_drip, "READ_TIMEOUT"),
        (body_stalls, "READ_TIMEOUT"),
        (endless_continue, "READ_TIMEOUT"),
        (truncated, "RESPONSE_TRUNCATED"),
        (bad_gzip, "MALFORMED_RESPONSE"),
        (bad_chunk, "MALFORMED_RESPONSE"),
        (bad_status_line, "MALFORMED_RESPONSE"),
        (many_headers, "MALFORMED_RESPONSE"),
        (long_header, "MALFORMED_RESPONSE"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_after_the_request_has_left_the_effect_is_unknown(behaviour, code):
    fault, wire, _ = fault_of(behaviour)

    assert fault.effect is Effect.UNKNOWN
    assert fault.code == code
    assert len(wire.exchanges) == 1


def test_a_reset_right_after_accepting_is_certain_only_while_nothing_was_sent():
    fault, wire, _ = fault_of(close_at_once)

    assert (fault.effect is Effect.NONE) == (wire.phase == "connecting")
    assert fault.code in {"CONNECT_UNREACHABLE", "SEND_FAILED", "CONNECTION_LOST"}


def test_a_closed_port_sent_nothing():
    wire = line()
    with pytest.raises(Fault) as caught:
        post(f"http://127.0.0.1:{closed_port()}/", wire)

    assert (caught.value.code, caught.value.effect) == ("CONNECT_REFUSED", Effect.NONE)
    assert wire.phase == "connecting"
    assert wire.exchanges[0].status is None


def test_an_unknown_name_sent_nothing():
    def nowhere(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    wire = Wire.for_call(EgressPolicy.parse("", lookup=nowhere))
    with pytest.raises(Fault) as caught:
        post("https://nowhere.example/", wire)

    assert (caught.value.code, caught.value.effect) == ("DNS_FAILURE", Effect.NONE)


def test_a_blocked_upload_may_have_been_read():
    def never_reads(peer: Peer) -> None:
        peer.hang()

    with FaultyServer(never_reads) as server:
        wire = line(0.4)
        with pytest.raises(Fault) as caught:
            Http(wire).post(server.url, data=b"x" * 30_000_000, raw=True)

    assert (caught.value.code, caught.value.effect) == ("SEND_FAILED", Effect.UNKNOWN)


def test_a_refusal_during_the_upload_is_an_answer():
    def too_large(peer: Peer) -> None:
        peer.sock.recv(10)
        peer.answer(b"", status="413 Content Too Large")
        peer.sock.recv(100_000_000)
        peer.hang()

    with FaultyServer(too_large) as server:
        reply = post(server.url, line())

    assert reply.status == 413


def test_the_deadline_of_the_call_is_named_as_such():
    wire = Wire.for_call(LOOPBACK, deadline=time.monotonic() + 0.3, attempt_timeout_s=5)
    with FaultyServer(header_drip) as server, pytest.raises(Fault) as caught:
        post(server.url, wire)

    assert (caught.value.code, caught.value.effect) == ("DEADLINE_EXCEEDED", Effect.UNKNOWN)


def test_no_attempt_begins_after_the_deadline():
    wire = Wire.for_call(LOOPBACK, deadline=time.monotonic() - 1)
    with FaultyServer(well) as server:
        with pytest.raises(Fault) as caught:
            post(server.url, wire)

        assert server.connections == 0
    assert (caught.value.code, caught.value.effect) == ("DEADLINE_EXCEEDED", Effect.NONE)


def test_a_redirect_is_not_followed_and_carries_no_key_elsewhere():
    with FaultyServer(well) as other:

        def redirect(peer: Peer) -> None:
            peer.read()
            peer.answer(b"", status="302 Found", headers=f"Location: {other.url}/\r\n")

        with FaultyServer(redirect) as server:
            reply = post(server.url, line(), headers={"X-Api-Key": "k"})

        assert reply.status == 302
        assert other.connections == 0


def test_a_huge_body_stops_at_the_limit():
    def huge(peer: Peer) -> None:
        peer.read()
        peer.say(HEAD + b"Content-Length: 50000000\r\n\r\n")
        for _ in range(50):
            peer.say(b"x" * 1_000_000)

    fault, wire, _ = fault_of(huge, timeout=5)

    assert (fault.code, fault.effect) == ("RESPONSE_TOO_LARGE", Effect.UNKNOWN)
    assert wire.exchanges[0].status == 200


def test_a_compressed_bomb_stops_at_the_limit():
    bomb = gzip.compress(b"\0" * 30_000_000)

    def explode(peer: Peer) -> None:
        peer.read()
        peer.answer(bomb, headers="Content-Encoding: gzip\r\n")

    fault, _, _ = fault_of(explode, timeout=5)

    assert fault.code == "RESPONSE_TOO_LARGE"


def test_a_check_accepts_only_small_replies():
    def medium(peer: Peer) -> None:
        peer.read()
        peer.answer(b"x" * 70_000)

    with FaultyServer(medium) as server, pytest.raises(Fault) as caught:
        post(server.url, Wire.for_check(LOOPBACK))

    assert caught.value.code == "RESPONSE_TOO_LARGE"


def test_a_self_signed_certificate_is_not_trusted(tmp_path):
    tls, _ = certificate(tmp_path)
    fault, wire, server = fault_of(well, tls=tls, timeout=5)

    assert (fault.code, fault.effect) == ("TLS_CERT_INVALID", Effect.NONE)
    assert wire.phase == "connecting"
    assert server.seen == []


def test_a_certificate_for_another_name_is_not_trusted(tmp_path):
    tls, pem = certificate(tmp_path, "elsewhere.example")
    with FaultyServer(well, tls=tls) as server:
        wire = line()
        wire.ca_bundle = pem
        with pytest.raises(Fault) as caught:
            post(server.url, wire)

    assert caught.value.code == "TLS_CERT_INVALID"
    assert "elsewhere" not in str(caught.value.effect)


def test_an_expired_certificate_is_not_trusted(tmp_path):
    tls, pem = certificate(tmp_path, days=-5)
    with FaultyServer(well, tls=tls) as server:
        wire = line()
        wire.ca_bundle = pem
        with pytest.raises(Fault) as caught:
            post(server.url, wire)

    assert caught.value.code == "TLS_CERT_INVALID"


def test_an_authority_of_ones_own_is_trusted(tmp_path):
    tls, pem = certificate(tmp_path)
    with FaultyServer(well, tls=tls) as server:
        wire = line()
        wire.ca_bundle = pem
        assert post(server.url, wire).status == 200
        assert post(server.url, wire).status == 200

        assert server.connections == 1


def test_a_stalled_handshake_sent_nothing():
    def stall(peer: Peer) -> None:
        peer.hang()

    with FaultyServer(stall) as server:
        started = time.monotonic()
        with pytest.raises(Fault) as caught:
            post(f"https://127.0.0.1:{server.port}/", line(0.3))

    assert time.monotonic() - started < 1
    assert (caught.value.code, caught.value.effect) == ("TLS_HANDSHAKE_FAILED", Effect.NONE)


def test_plain_text_on_a_tls_port_sent_nothing():
    def chatty(peer: Peer) -> None:
        peer.say(b"220 mail.example.com ready\r\n")
        peer.hang()

    with FaultyServer(chatty) as server, pytest.raises(Fault) as caught:
        post(f"https://127.0.0.1:{server.port}/", line(0.3))

    assert (caught.value.code, caught.value.effect) == ("TLS_HANDSHAKE_FAILED", Effect.NONE)


def test_the_environments_proxy_is_ignored(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("NO_PROXY", "")
    with FaultyServer(well) as server:
        assert post(server.url, line()).status == 200


def test_connections_are_used_again():
    with FaultyServer(well) as server:
        for _ in range(3):
            post(server.url, line(safety=Safety.READ))

        assert server.connections == 1


@pytest.mark.parametrize(
    ("safety", "idle", "connections"), [("UNSAFE", 3, 2), ("READ", 3, 1), ("READ", 31, 2)]
)
def test_an_idle_connection_is_used_again_only_while_that_is_safe(monkeypatch, safety, idle, connections):
    with FaultyServer(well) as server:
        post(server.url, line())
        later = time.monotonic() + idle
        monkeypatch.setattr("adapters.kit.connections.time.monotonic", lambda: later)
        post(server.url, line(safety=Safety(safety)))

        assert server.connections == connections


def test_a_connection_whose_reply_was_cut_is_not_used_again():
    with FaultyServer(body_stalls) as server:
        for _ in range(2):
            with pytest.raises(Fault):
                post(server.url, line(0.2, safety=Safety.READ))

        assert server.connections == 2


def test_the_libraries_words_do_not_reach_the_fault():
    """They hold the whole address, and a key may be part of it."""
    with FaultyServer(read_then_reset) as server, pytest.raises(Fault) as caught:
        post(f"{server.url}/?key=sekret", line())

    shown = f"{caught.value} {caught.value.detail} {caught.value.__cause__} {caught.value.vendor_message}"
    assert "sekret" not in shown
    assert caught.value.__suppress_context__


def test_a_slow_resolver_does_not_turn_into_doubt():
    """The time ends while the name is being resolved: nothing was sent, and that is certain."""

    def slow(host: str, port: int) -> list[str]:
        time.sleep(0.25)
        return ["127.0.0.1"]

    with FaultyServer(well) as server:
        wire = Wire.for_call(EgressPolicy.parse("127.0.0.0/8", lookup=slow), attempt_timeout_s=0.2)
        with pytest.raises(Fault) as caught:
            post(f"http://slow.example:{server.port}/", wire)

        assert server.seen == []
    assert caught.value.effect is Effect.NONE


def test_ipv6_addresses_work_too():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with FaultyServer(well, host="::1") as server:
        host = f"[::1]:{server.port}"
        assert (
            Http(Wire.for_call(EgressPolicy.parse("::1/128"))).get(f"http://{host}/", raw=True).status == 200
        )

        assert f"Host: {host}".encode() in server.seen[0]


def test_a_raw_connection_is_watched_and_its_faults_are_named():
    with FaultyServer(lambda peer: peer.drip(b"x" * 1000)) as server, line(0.3) as wire:
        sock = wire.connect("127.0.0.1", server.port)
        with sock:
            assert wire.phase == "connected"
            while sock.recv(10):
                pass

    fault = wire.fault(ConnectionError("cut"))
    assert (fault.code, fault.effect) == ("READ_TIMEOUT", Effect.NONE)
    wire.phase = "sent"
    assert wire.fault(ConnectionError("cut")).effect is Effect.UNKNOWN


def test_a_raw_connection_can_be_secured(tmp_path):
    tls, pem = certificate(tmp_path)
    with FaultyServer(well, tls=tls) as server, line() as wire:
        sock = wire.connect("127.0.0.1", server.port)
        with wire.secure(sock, tls_context(pem), "127.0.0.1") as secured:
            assert secured.getpeercert()
        assert wire.phase == "connected"

        with pytest.raises(Fault) as caught:
            wire.connect("127.0.0.1", server.port, tls=tls_context())
        assert caught.value.code == "TLS_CERT_INVALID"


def test_a_raw_connection_is_guarded():
    with pytest.raises(Fault) as caught:
        line().connect("10.0.0.1", 25)

    assert caught.value.code == "EGRESS_BLOCKED"


def test_a_certificate_authority_that_is_none_names_its_field():
    with pytest.raises(Fault) as caught:
        tls_context("-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----")

    assert (caught.value.code, caught.value.field) == ("CONFIG_INVALID", "ca_bundle")
