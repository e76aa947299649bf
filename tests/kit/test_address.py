"""The guard: which destinations are refused, whichever way they are spelled and whatever a resolver says."""

import ipaddress
import itertools
import socket
import time

import pytest

from adapters.kit import Blocked, EgressPolicy, Fault, Http, Target, Wire, resolve
from adapters.kit.address import is_public
from tests.kit.faulty import FaultyServer, Peer

OPEN = EgressPolicy()

FORBIDDEN = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",  # Alibaba
    "168.63.129.16",  # Azure
    "169.254.169.254",  # AWS, Google, Azure
    "169.254.170.2",  # AWS containers
    "169.254.0.23",  # Tencent
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",  # Oracle
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "2130706433",  # 127.0.0.1, decimal
    "0x7f000001",
    "0x7f.0.0.1",
    "017700000001",
    "0177.0.0.1",
    "127.1",
    "127.0.1",
    "①②⑦.⓪.⓪.①",
    "１２７.０.０.１",
    "127。0。0。1",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "::127.0.0.1",
    "64:ff9b::7f00:1",  # NAT64
    "64:ff9b:1::1",
    "2002:7f00:1::1",  # 6to4
    "2001:0:53aa:64c:0:0:80ff:fffe",  # Teredo
    "2001:db8::1",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",  # AWS
    "fd20:ce::254",  # Google
    "fe80::1",
    "fe80::1%lo",
    "fec0::1",
    "ff02::1",
    "5f00::1",
    "localhost",
    "localhost.",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.128.0.1",
    "172.32.0.1",
    "223.5.5.5",
    "::ffff:8.8.8.8",
    "2606:4700:4700::1111",
    "2400:3200::1",
]


@pytest.mark.parametrize("host", FORBIDDEN)
def test_a_forbidden_host_is_refused_in_every_spelling(host):
    with pytest.raises(Blocked) as caught:
        resolve(host, 443, OPEN)

    assert "127" not in str(caught.value)  # what a name resolves to is no business of whoever typed it


@pytest.mark.parametrize("host", PUBLIC)
def test_a_public_address_passes(host):
    address = resolve(host, 443, OPEN)[0]

    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://example.com:8443/",
        "https://user@example.com/",
        "https://good.example@127.0.0.1/",
        "https://example.com\\@127.0.0.1/",
        "https://exam\nple.com/",
        "https://exam ple.com/",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://example.com:x/",
        "https://[::1/",
        "https://[fe80::1%25eth0]/",
        "https:///path",
        "https://",
        "ftp://example.com/",
        "file:///etc/passwd",
        "//example.com/",
        "example.com",
        "https://example.com/#fragment",
        "https://example..com/",
        "https://-example.com/",
        f"https://example.com/{'a' * 2048}",
        "https://2130706433/",
        "https://127.0.0.1/",
        "http://1.1.1.1/",
        "https://xn--a.com\x00/",
        "https://good.example#@127.0.0.1/",
        "https://good.example\t@127.0.0.1/",
        "https://exam\tple.com/",
        "https://exam\rple.com/",
        "https://example.com/a\x00b",
        "https://example.com:65536/",
        "https://example.com:22/",
        "https://example.com:25/",
        "https://example.com:6379/",
        f"https://example.com/{'a' * 10_000}",
        f"https://{'a' * 254}.example/",
        "https://p\u0430ypal.example/",  # a Cyrillic а among Latin letters
        "https://www.g\u03bf\u03bfgle.example/",  # Greek omicrons
    ],
)
def test_an_address_that_is_not_plain_https_is_refused_before_its_name_is_resolved(url):
    with pytest.raises(Blocked):
        OPEN.check_url(url)


@pytest.mark.parametrize(
    "host", ["почта.example", "例え.example", "shop-例え.example", "ελλάδα.example", "münchen.example"]
)
def test_names_in_one_alphabet_pass(host):
    assert OPEN.check_url(f"https://{host}/").host.startswith("xn--")


@pytest.mark.parametrize("host", ["10.0.0.1", "mixed.example"])
def test_a_refusal_names_the_address_in_the_log_and_only_there(host, caplog):
    policy = EgressPolicy.parse("", lookup=lambda *_: ["10.0.0.1"])
    with pytest.raises(Blocked) as caught:
        resolve(host, 443, policy)

    assert "10.0.0.1" not in str(caught.value)
    assert caplog.messages == [
        f"Refused a destination: {host} resolves to 10.0.0.1, which is not allowed on port 443."
    ]


def test_a_name_is_asked_for_as_it_stands_and_looked_up_for_each_connection():
    """A final dot is taken off, and nothing a name resolved to before is believed again."""
    asked = []

    def lookup(host, port):
        asked.append(host)
        return ["1.1.1.1"] if len(asked) == 1 else ["127.0.0.1"]

    policy = EgressPolicy.parse("", lookup=lookup)
    assert resolve("rebind.example.", 443, policy)
    with pytest.raises(Blocked):
        resolve("rebind.example.", 443, policy)
    assert asked == ["rebind.example"] * 2


def test_a_public_https_address_passes_with_its_name_in_ascii():
    target = OPEN.check_url("https://Bücher.Example/a b".replace(" ", "%20"))

    assert target == Target("https", "xn--bcher-kva.example", 443, "/a%20b")


def test_one_forbidden_answer_condemns_the_name():
    policy = EgressPolicy.parse("", lookup=lambda *_: ["1.1.1.1", "10.0.0.1"])

    with pytest.raises(Blocked):
        resolve("mixed.example", 443, policy)


def test_an_answer_with_a_zone_is_refused():
    policy = EgressPolicy.parse("", lookup=lambda *_: ["fe80::1%eth0"])

    with pytest.raises(Blocked):
        resolve("zone.example", 443, policy)


def test_a_resolver_that_does_not_answer_is_given_up():
    def slow(host: str, port: int) -> list[str]:
        time.sleep(1)
        return []

    started = time.monotonic()
    with pytest.raises(Fault) as caught:
        resolve("slow.example", 443, EgressPolicy.parse("", lookup=slow), 0.05)

    assert caught.value.code == "DNS_FAILURE"
    assert time.monotonic() - started < 0.9


def test_alternating_answers_never_reach_the_forbidden_address():
    """The name is resolved once, and the connection goes to the address that was checked."""

    def answer_once(peer: Peer) -> None:
        peer.read()
        peer.answer(headers="Connection: close\r\n")

    answers = itertools.cycle([["127.0.0.2"], ["127.0.0.1"]])
    policy = EgressPolicy.parse("127.0.0.2/32", lookup=lambda *_: next(answers))
    blocked = 0
    with (
        FaultyServer(answer_once, host="127.0.0.2") as good,
        socket.create_server(("127.0.0.1", good.port)) as forbidden,
    ):
        for _ in range(20):
            try:
                Http(Wire.for_call(policy)).get(f"http://rebind.example:{good.port}/", raw=True)
            except Blocked:
                blocked += 1
        forbidden.settimeout(0.05)
        with pytest.raises(TimeoutError):
            forbidden.accept()

    assert blocked == 10
    assert good.connections == 10


def test_the_operator_can_allow_networks_and_single_endpoints():
    policy = EgressPolicy.parse("10.0.0.0/8, 127.0.0.1:8025; mail.internal:1025\n[::1]:2525")

    assert policy.allows(ipaddress.ip_address("10.1.2.3"), 9999, plain=True)
    assert policy.allows(ipaddress.ip_address("127.0.0.1"), 8025, plain=True)
    assert not policy.allows(ipaddress.ip_address("127.0.0.1"), 8026, plain=True)
    assert policy.allows(ipaddress.ip_address("127.0.0.9"), 1025, host="mail.internal", plain=True)
    assert policy.allows(ipaddress.ip_address("::1"), 2525)
    assert policy.check_url("http://mail.internal:1025/")
    with pytest.raises(Blocked):
        policy.check_url("http://127.0.0.1:8026/")


def test_ports_are_443_and_what_the_adapter_declares():
    address = ipaddress.ip_address("1.1.1.1")

    assert OPEN.allows(address, 443)
    assert not OPEN.allows(address, 80, plain=True)
    assert not OPEN.allows(address, 25)
    assert OPEN.allows(address, 587, ports=frozenset({587}))


@pytest.mark.parametrize(
    "text",
    [
        "169.254.169.254",
        "169.254.0.0/16",
        "fd00:ec2::254",
        "100.100.100.200/32",
        "168.63.129.16",
        "fe80::/64",
    ],
)
def test_metadata_services_cannot_be_allowed(text):
    with pytest.raises(ValueError, match="metadata"):
        EgressPolicy.parse(text)


def test_metadata_services_stay_forbidden_inside_an_allowed_network():
    policy = EgressPolicy.parse("0.0.0.0/0, 169.254.169.254:80, metadata.example:80")

    assert not policy.allows(ipaddress.ip_address("169.254.169.254"), 80, host="metadata.example", plain=True)
    assert not policy.allows(ipaddress.ip_address("::ffff:169.254.169.254"), 80, plain=True)


@pytest.mark.parametrize(
    "text", ["10.0.0.1/8", "example.com", "host:99999", "host:", ":25", "a b:c", "0x7f.1:80"]
)
def test_a_list_that_cannot_be_read_names_the_bad_entry(text):
    with pytest.raises(ValueError, match="neither a network"):
        EgressPolicy.parse(text)
