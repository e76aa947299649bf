"""What ends and when: typed dates, the `exp` of a JWT, the last day of a certificate; and the reminders before it."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from adapters.kit import Message, Stage
from tests.registry.conftest import ACTOR
from webapp.accounts import tokens
from webapp.models.health import ServiceHealth
from webapp.models.secret import Secret
from webapp.registry import expiry, routes, services, staging
from webapp.registry.endings import discovered
from webapp.registry.errors import Invalid, NotFound
from webapp.registry.reminders import remind, standing

BY = {"actor": ACTOR, "origin": "ui"}


def jwt(**claims):
    encode = lambda part: base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")  # noqa: E731
    return f"{encode({'alg': 'HS256'})}.{encode(claims)}.c2lnbmF0dXJl"


def certificate(ends):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example.com")])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(ends - timedelta(days=90)).not_valid_after(ends)
    from cryptography.hazmat.primitives.serialization import Encoding

    return built.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


END = datetime(2027, 3, 31, 12, tzinfo=UTC)


def test_a_jwt_says_when_it_ends():
    assert discovered(jwt(exp=END.timestamp())) == END
    assert discovered(f"Bearer {jwt(exp=int(END.timestamp()))}") == END


@pytest.mark.parametrize(
    "value",
    [
        "SG.abcdefgh.ijklmnop",
        jwt(sub="lin"),
        jwt(exp="tomorrow"),
        jwt(exp=True),
        jwt(exp=-1),
        jwt(exp=1e300),
        "a.b.c",
        "....",
        "-----BEGIN CERTIFICATE-----\nnot base64\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----" * 1000,
        "x" * 100_000,
        f"aaaa.{'W' * 5000}.aaaa",
    ],
)
def test_a_value_that_does_not_say_has_no_end(value):
    assert discovered(value) is None


def test_a_chain_ends_with_its_first_certificate():
    chain = certificate(END) + certificate(END + timedelta(days=10))

    assert discovered(chain) == END


def test_the_end_of_a_value_is_kept_with_it(session, runtime, add):
    add(settings={"api_key": jwt(exp=END.timestamp())})

    (ending,) = expiry.endings(session, runtime.clock.now())

    assert (ending.kind, ending.field, ending.expires_at) == ("secret", "api_key", END)


def test_a_typed_end_wins_and_can_be_taken_back(session, runtime, service):
    expiry.set_expiry(session, runtime, service, "api_key", END, actor=ACTOR)
    assert [one.expires_at for one in expiry.endings(session, runtime.clock.now())] == [END]

    expiry.set_expiry(session, runtime, service, "api_key", None, actor=ACTOR)
    assert expiry.endings(session, runtime.clock.now()) == []
    assert service.revision == 1


def test_only_a_secret_that_is_set_can_have_an_end(session, runtime, service):
    with pytest.raises(NotFound):
        expiry.set_expiry(session, runtime, service, "from_email", END, actor=ACTOR)


def test_a_value_that_waits_and_certificates_are_listed_too(session, runtime, service, clock):
    staging.stage_next(
        session, runtime, service, "api_key", "SG.next-secret-value", actor=ACTOR, expires_at=END
    )
    service.configurations = {**service.configurations, "ca_bundle": certificate(END + timedelta(days=1))}
    ends = (END + timedelta(days=2)).isoformat()
    stage = Stage.ok("tls", Message.of("Encrypted.", ends=ends))
    detail = {"stages": [stage.to_dict() | {"message_id": stage.message.to_dict()}]}
    session.add(
        ServiceHealth(service_id=service.service_id, state="healthy", since=clock.now(), detail=detail)
    )
    session.commit()

    assert [one.kind for one in expiry.endings(session, runtime.clock.now())] == ["next", "setting", "server"]


def test_a_deleted_service_is_not_listed(session, runtime, service):
    expiry.set_expiry(session, runtime, service, "api_key", END, actor=ACTOR)
    services.delete(session, runtime, service, **BY)
    session.commit()

    assert expiry.endings(session, runtime.clock.now()) == []


def test_it_says_what_depends_on_it(session, runtime, service):
    values = {"name": "MAIL_MAIN", "contract": "EMAIL_SERVICE", "members": [service.service_id]}
    routes.create(session, runtime, values, actor=ACTOR)
    expiry.set_expiry(session, runtime, service, "api_key", END, actor=ACTOR)
    session.commit()

    found = expiry.dependents(session, runtime, expiry.endings(session, runtime.clock.now()))[
        service.service_id
    ]

    assert (list(found.routes), found.calls) == (["MAIL_MAIN"], 0)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2027-03-31", datetime(2027, 3, 31, tzinfo=UTC)),
        ("2027-03-31T12:00:00Z", END),
        ("2027-03-31T20:00:00+08:00", END),
        ("", None),
        (None, None),
    ],
)
def test_an_end_is_a_date_or_a_moment_with_its_zone(text, moment):
    assert expiry.parse_moment(text, "/expires_at") == moment


@pytest.mark.parametrize(
    "text",
    [
        "soon",
        "2027-13-01",
        "2027-03-31T12:00:00",
        "31.3.2027",
        "0001-01-01",
        "9999-12-31",
        5,
        [],
        "２０２７-03-31",
    ],
)
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(Invalid) as refusal:
        expiry.parse_moment(text, "/expires_at")

    assert refusal.value.errors[0].pointer == "/expires_at"


def test_each_reminder_is_written_once(session, runtime, service, clock):
    expiry.set_expiry(session, runtime, service, "api_key", clock.now() + timedelta(days=31), actor=ACTOR)
    session.commit()

    steps = []
    for _ in range(34):
        steps += [row.days for row in remind(session, runtime)]
        session.commit()
        clock.advance(86_400)

    assert steps == [30, 14, 7, 3, 1, 0]
    assert [row.days for row in standing(session, expiry.endings(session, runtime.clock.now()))] == [0]


def test_what_is_found_late_gets_the_nearest_reminder_only(session, runtime, service, clock):
    expiry.set_expiry(session, runtime, service, "api_key", clock.now() + timedelta(days=2), actor=ACTOR)
    session.commit()

    assert [row.days for row in remind(session, runtime)] == [3]


def test_a_replaced_secret_has_no_reminder_any_more(session, runtime, service, clock):
    expiry.set_expiry(session, runtime, service, "api_key", clock.now() + timedelta(days=2), actor=ACTOR)
    remind(session, runtime)
    services.update(
        session, runtime, service, {"configurations": {"api_key": "SG.second-secret-value"}}, **BY
    )
    session.commit()

    assert standing(session, expiry.endings(session, runtime.clock.now())) == []
    assert session.get(Secret, service.secrets["api_key"]).expires_at is None


def test_api_tokens_end_too_and_are_reminded_of(session, runtime, clock):
    token, _ = tokens.issue(session, runtime, name="Shop", scopes=["all"], created_by=ACTOR, expires_days=10)
    revoked, _ = tokens.issue(session, runtime, name="Old", scopes=["all"], created_by=ACTOR, expires_days=10)
    tokens.revoke(session, runtime, revoked, actor=ACTOR)
    session.commit()

    (ending,) = expiry.endings(session, clock.now())
    assert (ending.kind, ending.service_id, ending.service_name) == ("token", None, "Shop")
    assert expiry.dependents(session, runtime, [ending]) == {}
    assert [(row.subject, row.days, row.service_id) for row in remind(session, runtime)] == [
        (f"token:{token.token_id}:", 14, None)
    ]
    session.commit()
    clock.advance(9.5 * 86_400)
    assert [row.days for row in remind(session, runtime)] == [1]
    clock.advance(31 * 86_400)
    assert expiry.endings(session, clock.now()) == []


def test_other_areas_add_what_ends(session, runtime, service, clock, monkeypatch):
    end = expiry.Ending("link", service.service_id, "Mail", service.service_type, True, None, END)
    monkeypatch.setattr(expiry, "SOURCES", [*expiry.SOURCES, lambda *_: [end]])

    assert expiry.endings(session, clock.now()) == [end]
