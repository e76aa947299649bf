"""What the demo shows: services on the pretend vendor, a route with a backup, and people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from webapp.accounts import users
from webapp.accounts.roles import Role
from webapp.registry import routes, testing
from webapp.registry import services as registry
from webapp.runtime import Runtime
from webapp.sandbox import credentials

ACTOR = "demo"
EMAIL = "demo@example.com"
ROUTE = "EMAIL_PROVIDER_PRIMARY"


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample service; `wrong` ones are meant to fail, so that failure can be looked at."""

    name: str
    service_type: str
    configurations: dict[str, Any]
    description: str
    enabled: bool = True


def samples(base_url: str) -> list[Sample]:
    """Return the sample services, pointed at the sandbox."""
    aliyun = {
        "accessKeyId": credentials.ALIYUN_ACCESS_KEY_ID,
        "accessKeySecret": credentials.ALIYUN_ACCESS_KEY_SECRET,
        "signName": credentials.ALIYUN_SIGN,
        "templateCode": credentials.ALIYUN_TEMPLATE,
        "base_url": base_url,
    }
    twilio = {
        "account_sid": credentials.TWILIO_ACCOUNT_SID,
        "auth_token": credentials.TWILIO_AUTH_TOKEN,
        "from": "+15005550006",
        "base_url": base_url,
    }
    mail = {"from_email": "no-reply@example.com", "base_url": base_url}
    good_mail, bad_mail = (
        mail | {"api_key": credentials.SENDGRID_API_KEY},
        mail | {"api_key": "SG.revoked-key.that-the-vendor-no-longer-accepts"},
    )
    return [
        Sample("SendGrid (main)", "EMAIL_PROVIDER_SENDGRID", good_mail, "Transactional mail."),
        Sample(
            "SendGrid (revoked key)",
            "EMAIL_PROVIDER_SENDGRID",
            bad_mail,
            "Shows what a refused key looks like.",
        ),
        Sample("Aliyun SMS", "SMS_PROVIDER_ALIYUN", aliyun, "Verification codes in mainland China."),
        Sample("Twilio", "SMS_PROVIDER_TWILIO", twilio, "Messages to everywhere else."),
        Sample(
            "Order webhook",
            "HTTP_PROVIDER_GENERIC",
            {"base_url": f"{base_url}/http"},
            "Tells the shop about orders.",
        ),
        Sample("Twilio (spare)", "SMS_PROVIDER_TWILIO", twilio, "Configured, not in use.", enabled=False),
    ]


def seed(session: Session, runtime: Runtime, base_url: str, password: str) -> None:
    """Store people, services and a route, once; every service is tested as an administrator would."""
    if users.find_by_email(session, EMAIL):
        return
    users.create_user(
        session, runtime, email=EMAIL, name="Demo", role=Role.OWNER, password=password, actor=ACTOR
    )
    stored = {}
    for sample in samples(base_url):
        service = registry.create(
            session,
            runtime,
            name=sample.name,
            service_type=sample.service_type,
            configurations=sample.configurations,
            description=sample.description,
            actor=ACTOR,
            origin="cli",
            sandbox=True,
        )
        session.commit()
        testing.run(runtime, service, None, f"{ACTOR}: {sample.name}")
        if sample.enabled:
            registry.enable(session, runtime, service, actor=ACTOR, origin="cli")
        session.commit()
        stored[sample.name] = service.service_id
    route = {
        "name": ROUTE,
        "contract": "EMAIL_SERVICE",
        "members": [stored["SendGrid (revoked key)"], stored["SendGrid (main)"]],
        "description": "The first one's key was revoked: watch the second one take over.",
    }
    routes.create(session, runtime, route, actor=ACTOR)
    session.commit()
