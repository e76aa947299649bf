"""The canary run: secrets planted in every field, every door opened, and every byte that comes out searched.

Planted: each secret of each adapter, the next and the previous value of one, the password of a person, the seed of a
second factor and a recovery code, an API token, the cookie of a session, the address of a webhook, both tokens of a
linked account, the passphrases of the files that take keys and secrets along. Opened: every page and fragment, every
answer of the API, forms and bodies that are refused, comparisons, exports, error pages, the process log, every row of
every table, every file of the data and the temporary directory. A canary is searched raw, in base64 at three alignments, URL-encoded, in hexadecimal, reversed, and as JSON
and HTML write it. (Attack 24 of the list, and 36, 73 and 74.)
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import logging
import tempfile
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from sqlalchemy import make_url, select

from tests.adapters.samples import SETTINGS
from tests.codes import enrol
from tests.echo import echoing
from tests.logfiles import ask, rows_of
from tests.people import make_user, sign_in
from webapp.engine.logging import RedactingFormatter
from webapp.links import sealed
from webapp.links.sealed import Tokens
from webapp.log.tables import call_logs
from webapp.models import Base
from webapp.models.link import Link
from webapp.registry.drafts import secret_specs

ODD = '/+="<&>'  # what encodings change
PASSWORD = "Cånary lantern quarry velvet 7moss"


# What goes out to the vendor as it is, and comes back in its errors.
SENT = {
    "EMAIL_PROVIDER_SENDGRID.api_key", "HTTP_PROVIDER_GENERIC.secret", "SMS_PROVIDER_TWILIO.auth_token", "next", "hook",
    "OAUTH_PROVIDER_OIDC.client_secret", "access", "refresh",
}  # fmt: skip


def canary(name):
    """A value of its own for one field; no part of it is a word of ours."""
    mark = hashlib.sha256(name.encode()).hexdigest()
    return f"Cq7{mark[:12]}vX9{ODD}zR4wK8{mark[12:16]}"


def forms(value):
    """How a value may look, by code that shares nothing with the code under test."""
    raw = value.encode()
    yield from (value, value[::-1], raw.hex(), raw.hex().upper(), html.escape(value))
    yield from (quote(value, safe=""), quote_plus(value), quote(value, safe="").lower())
    yield from (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    for packed in (
        raw,
        quote(value, safe="").encode(),
    ):  # clients sign in with the second, as RFC 6749 has it
        for shift in range(3):
            whole = base64.b64encode(bytes(shift) + packed).decode()
            lead, trail = (0, 2, 3)[shift], (0, 3, 2)[(shift + len(packed)) % 3]
            certain = whole[lead : len(whole) - trail]
            yield from (certain, certain.replace("+", "-").replace("/", "_"))


@pytest.fixture
def vendor():
    with echoing() as server:
        yield server


@pytest.fixture
def process_log():
    """Everything any logger says, through the formatter of the process log."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(RedactingFormatter("%(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


class House:
    """An installation with secrets in every field, and everything it ever said."""

    def __init__(self, app, client, owner, vendor, headers):
        self.app, self.client, self.vendor, self.headers = app, client, vendor, headers
        self.person = owner
        self.owner = sign_in(app.test_client(), owner, PASSWORD)
        self.said = []
        self.known = {}
        self.planted = {
            "password": PASSWORD,
            "token": headers["Authorization"].removeprefix("Bearer "),
            "cookie": self.owner.get_cookie("pb").value,
        }
        self.services = {}

    def hear(self, answer, where):
        self.said.append((where, b"\n".join([str(answer.headers).encode(), answer.get_data()])))
        return answer

    def api(self, method, path, body=None):
        answer = self.client.open(f"/integrations{path}", method=method, headers=self.headers, json=body)
        return self.hear(answer, f"{method} {path}")

    def page(self, method, path, **more):
        return self.hear(self.owner.open(path, method=method, **more), f"{method} {path}")

    def plant(self, name):
        self.planted[name] = canary(name)
        return self.planted[name]

    def add(self, service_type, entry):
        """Store a service of this type, every secret a canary, every address the echoing vendor's."""
        secrets = secret_specs(entry)
        settings = {name: value for name, value in SETTINGS[service_type].items() if name not in secrets}
        settings |= {name: self.plant(f"{service_type}.{name}") for name in secrets}
        for name in {"base_url", "issuer"} & settings.keys():
            settings[name] = self.vendor.url
        if "issuer" in settings:
            settings["api_base_url"] = self.vendor.url
        if service_type == "EMAIL_PROVIDER_SMTP":
            settings |= {"host": "127.0.0.1", "port": self.vendor.mail_port, "security": "none"}
        body = {
            "service_name": service_type.title(),
            "service_type": service_type,
            "configurations": settings,
        }
        answer = self.api("POST", "/services", body)
        if answer.status_code != 201:  # an adapter that knows only some of its secrets together
            wrong = {error["pointer"].rpartition("/")[2] for error in answer.json["errors"]}
            body["configurations"] = {name: value for name, value in settings.items() if name not in wrong}
            answer = self.api("POST", "/services", body)
        assert answer.status_code == 201, answer.get_data(as_text=True)
        self.services[service_type] = answer.json["service_id"]


@pytest.fixture
def house(app, client, runtime, vendor, token, clock):
    owner = make_user(app, "owner", password=PASSWORD)
    house = House(app, client, owner, vendor, token())
    for entry in runtime.catalog.entries():
        if entry.adapter and entry.service_type in SETTINGS:
            house.add(entry.service_type, entry)
    seed, codes = enrol(sign_in(app.test_client(), make_user(app, "admin")), clock)
    house.planted |= {"seed": seed, "recovery": codes[0]}
    return house


def live(house):
    """Use what was planted: stage, promote, test, call, compare, go back, duplicate, be refused."""
    mail = house.services["EMAIL_PROVIDER_SENDGRID"]
    at = f"/services/{mail}"
    house.api("PUT", f"{at}/secrets/api_key/next", {"value": house.plant("next"), "expires_at": "2026-12-01"})
    house.api("POST", f"{at}/secrets/api_key/next/test")
    house.api("POST", f"{at}/secrets/api_key/promote")
    house.api("PUT", f"{at}/secrets/api_key/next", {"value": house.plant("waiting")})
    house.api("PATCH", at, {"description": "one", "note": "two"})
    house.api("POST", f"{at}/revisions/1/restore")
    house.page("POST", f"/settings/integrations/{mail}/duplicate")
    for service_type, service_id in house.services.items():
        house.api("POST", f"/services/{service_id}/test-connection")
        house.page("POST", f"/settings/integrations/{service_id}/test")
        house.api("POST", f"/services/{service_id}/enable")
        house.api("POST", "/calls/explain", call(service_type, service_id))
        for status in (401, 500, 200):
            house.vendor.status = status
            house.api("POST", "/calls", call(service_type, service_id))
    house.api("POST", "/routes", {"name": "MAIL", "contract": "EMAIL_SERVICE", "members": [mail]})


def live_elsewhere(house, runtime):
    """What is no setting of a service: a webhook, a linked account, and files that take secrets along."""
    hook = house.planted["hook"] = canary("hook").replace(ODD, "-_.~")  # as it stands in an address
    channel = {"name": "Hook", "kind": "webhook", "url": f"{house.vendor.url}/hooks/{hook}"}
    made = house.api("POST", "/alerts/channels", channel).json["channel_id"]
    rule = {"name": "On call", "channels": [made], "states": ["down"], "after_s": 60}
    house.api("POST", "/alerts/rules", rule)
    house.api("POST", f"/alerts/channels/{made}/test")
    house.page("POST", f"/settings/alerts/channels/{made}/test")
    phrases = {"passphrase": house.plant("passphrase"), "again": house.planted["passphrase"]}
    for path in ("/settings/files/sealed", "/settings/system/keys/export"):
        assert house.page("POST", path, data=phrases).status_code == 200
    service_id, tokens = (
        house.services["OAUTH_PROVIDER_OIDC"],
        Tokens(house.plant("access"), house.plant("refresh")),
    )
    with runtime.sessions() as session:
        link = Link(
            user_id=house.person.user_id, service_id=service_id, account_id="1", account_label="ann", can_refresh=True
        )  # fmt: skip
        session.add(link)
        session.flush()
        sealed.put(session, runtime, link.link_id, service_id, tokens)
        session.commit()
        house.known["link_id"] = [link.link_id]
        request = call("OAUTH_PROVIDER_OIDC", service_id) | {"on_behalf_of": house.person.email}
        for status in (401, 500, 200):
            house.vendor.status = status
            house.api("POST", "/calls", request)
        house.vendor.status = 401
        link.state, link.expires_at = "active", runtime.clock.now()
        session.commit()
    about = {"person": house.person.email, "service": service_id, "integration_point": "calendar"}
    assert house.api("POST", "/links/token", about).status_code >= 400
    house.page("GET", "/my")
    house.page("GET", f"/my/links/{link.link_id}")
    assert house.page("POST", f"/my/links/{link.link_id}/disconnect").status_code == 303
    house.known |= {"channel_id": [made], "user_id": [house.person.user_id]}


def call(service_type, service_id):
    operation, params = {
        "EMAIL": ("email.send", {"to": "lin@example.com", "subject": "s", "text": "t"}),
        "SMS": ("sms.send", {"to": "+8613900000000", "template": "HX" + "0a" * 16, "text": "t"}),
        "HTTP": ("http.request", {"method": "GET", "path": "/items"}),
        "OAUTH": ("oauth.request", {"method": "GET", "path": "/items"}),
    }[service_type.split("_", maxsplit=1)[0]]
    return {"operation": operation, "service_type_preference": service_id, "params": params}


def be_refused(house):
    """Send secrets to where they do not belong; no refusal may repeat them."""
    mail = house.services["EMAIL_PROVIDER_SENDGRID"]
    wrong = house.plant("refused")
    for body in (
        {"configurations": {"api_key": wrong, "region": "mars"}},
        {"configurations": {"api_key": [wrong]}},
        {"configurations": {"api_key": {"value": wrong}}},
        {"configurations": {"from_email": wrong}},
        {"configurations": {"unknown": wrong}},
        {"service_name": {"x": wrong}},
        {"api_key": wrong},
    ):
        assert house.api("PATCH", f"/services/{mail}", body).status_code == 422
        house.api("POST", f"/services/{mail}/test-connection", body)
    house.api("PUT", f"/services/{mail}/secrets/api_key/next", {"value": [wrong]})
    house.api("PUT", f"/services/{mail}/secrets/api_key/next", {"value": wrong, "expires_at": "never"})
    house.api("POST", f"/services/{mail}/revisions/1/restore", {"configurations": {"nothing": wrong}})
    revision = str(house.api("GET", f"/services/{mail}").json["revision"])
    form = {
        "name": "",
        "config-api_key": wrong,
        "config-from_email": "x",
        "config-region": "mars",
        "revision": revision,
    }
    assert house.page("POST", f"/settings/integrations/{mail}/edit", data=form).status_code == 422
    assert (
        house.page("POST", "/settings/integrations/new/EMAIL_PROVIDER_SENDGRID", data=form).status_code == 422
    )
    house.page("POST", "/settings/integrations/test?type=EMAIL_PROVIDER_SENDGRID", data=form)
    house.page(
        "POST",
        f"/settings/integrations/{mail}/secrets/api_key/next",
        data={"value": wrong, "expires_at": "x"},
    )
    house.page("POST", "/login", data={"email": "owner@example.com", "password": wrong})
    house.client.post("/integrations/services", data=f'{{"api_key": "{wrong}', headers=house.headers)


def walk(house, runtime):
    """Read every address that can be read, as a page, as a fragment, and through the API."""
    attempts = ask(runtime.engine, select(call_logs))
    calls = list(dict.fromkeys(str(row["call_id"]) for row in attempts))
    logs = [str(row["log_id"]) for row in attempts]
    known = {
        "service_id": list(house.services.values()),
        "service_type": list(house.services),
        "call_id": calls,
        "log_id": logs,
        "name": ["MAIL", "api_key"],
        "number": ["1", "2", "99"],
        "older": ["1"],
        "newer": ["2", "3"],
        "code": ["VENDOR_AUTH_REJECTED"],
        "scope": ["service", "contract"],
        **house.known,
    }
    adapter = house.app.url_map.bind("localhost")
    opened = set()
    for rule in house.app.url_map.iter_rules():
        if "GET" not in rule.methods or rule.endpoint in {"static", "second_factor.add", "staff.start"}:
            continue
        for values in combinations(rule.arguments, known):
            path = adapter.build(rule.endpoint, values, force_external=False)
            if path.startswith("/integrations"):
                house.hear(house.client.get(path, headers=house.headers), path)
            else:
                house.page("GET", path)
                house.page("GET", path, headers={"HX-Request": "true", "HX-Request-Type": "partial"})
            opened.add(rule.endpoint)
    return opened


def combinations(arguments, known):
    """Each value of one argument in turn, the others at their first."""
    first = {name: known.get(name, ["none"])[0] for name in arguments}
    yield first
    for name in arguments:
        for value in known.get(name, [])[1:]:
            yield first | {name: value}


@pytest.fixture
def temporary(tmp_path_factory, monkeypatch):
    """A directory of its own for whatever anything writes on the way."""
    directory = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(directory))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return directory


def stored(runtime, *more):
    """Every row of every table, bodies unpacked, every file of the data directory, of the database and of `more`."""
    for table in Base.metadata.sorted_tables:
        for row in rows_of(runtime.engine, table):
            yield f"table {table.name}", repr(tuple(row.values())).encode()
    for attempt in ask(runtime.engine, select(call_logs)):
        if bodies := runtime.log.bodies(attempt["log_id"]):
            yield "bodies", json.dumps(bodies.to_dict(), ensure_ascii=False).encode()
    places = [runtime.config.data_dir, *more]
    url = make_url(runtime.config.database_url)
    if url.get_backend_name() == "sqlite":
        places.append(Path(url.database).parent)
    for file in {file for place in places for file in place.rglob("*") if file.is_file()}:
        yield f"file {file.name}", file.read_bytes()


def test_no_planted_secret_comes_out_anywhere(temporary, house, runtime, process_log):
    live(house)
    live_elsewhere(house, runtime)
    be_refused(house)
    opened = walk(house, runtime)

    assert len(opened) > 100
    told = " ".join(house.vendor.heard)
    reached = {name for name, value in house.planted.items() if any(form in told for form in forms(value))}
    assert reached >= SENT, "what a vendor never heard it could not repeat"
    found = []
    heard = [*house.said, *stored(runtime, temporary), ("process log", process_log.getvalue().encode())]
    for name, value in house.planted.items():
        for form in {form.encode() for form in forms(value)}:
            found += [(name, where, form) for where, said in heard if form in said]
    assert found == []


def test_a_mistake_of_ours_shows_no_secret(house, process_log, monkeypatch):
    from webapp.engine.logging import process_secrets

    value = house.plant("in an exception")
    process_secrets.learn([value])

    def fail(*_, **__):
        raise RuntimeError(f"could not use {value}")

    monkeypatch.setattr("webapp.registry.services.search", fail)
    house.app.testing = False
    house.app.config["PROPAGATE_EXCEPTIONS"] = False
    answer = house.api("GET", "/services")
    monkeypatch.setattr("webapp.web.integrations.listing", fail)
    shown = house.page("GET", "/settings/integrations")

    assert answer.status_code == 500
    assert shown.status_code == 500
    said = answer.get_data(as_text=True) + shown.get_data(as_text=True) + process_log.getvalue()
    assert "could not use ***" in process_log.getvalue()
    assert not any(form in said for form in forms(value))
