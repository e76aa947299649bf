"""Generated requests over the whole document: none breaks the API or gets an answer it does not describe."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from webapp.accounts.tokens import ALL_SCOPES, SCOPES
from webapp.models.incident import Incident
from webapp.models.reconcile import ReconcileItem

pytestmark = pytest.mark.slow

CONFORM = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
# A vendor or a part of Patchbay that is missing is no mistake of Patchbay, where the document tells of it.
MAY_FAIL = {501, 502, 503, 504}
ODD = (
    None, True, False, 0, -1, 2**31, 2**63, 2**64, 10**400, -0.5, 1e308, "", " ", "\x00", "a\x00b", "\r\nX: y", "\u202e",
    "\ufffe", "\U0001f600", "../..", "%00", "x" * 5000, "9" * 5000, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59",
    "http://[::1", "http://\u2100.example", [], [[]], [None], ["\x00"], {}, {"": ""}, {"\x00": "\x00"}, {"a": {"b": [1]}},
)  # fmt: skip
# Empty names and dots lead to another address.
ODD_TEXTS = tuple(value for value in ODD if isinstance(value, str) and value and ".." not in value)
HEADERS = ("If-Match", "If-None-Match", "Idempotency-Key", "X-Correlation-Id", "Accept-Language")
ODD_HEADERS = ("", '"', "x" * 5000, "\xff")
RAW = (
    b"", b"\xff", b"\xef\xbb\xbf{}", b"null", b"[]", b'"x"', b"{", b'{"a": NaN}', b'{"a": 1e999}', b'{"a": 1, "a": 2}',
    b'{"a": "\\ud800"}', b'{"\\udfff": 1}', b'{"a": ' + b"9" * 5000 + b"}", b"[" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000,
)  # fmt: skip
QUICK = {
    "deadline": None,
    "database": None,
    "phases": [Phase.generate],
    "suppress_health_check": list(HealthCheck),
}


@pytest.fixture
def schema(app):
    return openapi.from_wsgi("/integrations/openapi.json", app)


@pytest.fixture
def full(token):
    return token(ALL_SCOPES)


@pytest.fixture
def bodies(api, http_service, clock):
    """For each operation a body that is right, over a service that has one of everything."""
    service_id = http_service["service_id"]
    start = clock.now() + timedelta(hours=1)
    plain = {name: http_service[name] for name in ("service_name", "service_type", "configurations")}
    settings_ = {**plain["configurations"], "secret": "right-token-value"}
    channel = {"name": "Hook", "kind": "webhook", "url": "http://127.0.0.1:9/x"}
    made = api("POST", "/alerts/channels", channel).json["channel_id"]
    call = {
        "operation": "http.request",
        "params": {"method": "GET", "path": "/"},
        "service_type_preference": service_id,
    }
    route = {"description": "", "contract": "HTTP_SERVICE", "members": [service_id]}
    window = {"title": "Move", "services": [service_id], "starts_at": start.isoformat(),
              "ends_at": (start + timedelta(hours=1)).isoformat()}  # fmt: skip
    return {
        "calls_create": {**call, "deadline_ms": 2000, "integration_point": "p", "correlation_id": "c"},
        "links_token": {"person": "nobody@example.com", "service": "OAUTH_PROVIDER_OIDC", "integration_point": "p"},
        "services_create": {**plain, "service_name": "Another", "configurations": settings_, "default_timeout_ms": 5000,
                            "retry_policy": {}, "rate_limit": None, "description": "", "health_interval_s": 60},
        "services_replace": {**plain, "configurations": settings_, "is_enabled": True},
        "services_change": {"description": "New", "configurations": {"auth": "bearer"}, "note": "Why"},
        "switches_test_connection": {"configurations": {"health_path": "/"}},
        "explain_ask": call,
        "routes_create": {"name": "SHOP", **route},
        "routes_replace": route,
        "maintenance_plan": window,
        "maintenance_replace": window,
        "incidents_note": {"note": "Seen."},
        "alerts_create_channel": {**channel, "name": "Another"},
        "alerts_replace_channel": {**channel, "name": "Hook"},
        "log_views_create": {"name": "Failures", "search": {"q": "outcome:failed", "range": "24h"}, "is_shared": False},
        "log_views_change": {"name": "Failures"},
        "alerts_create": {"name": "On call", "channels": [made], "states": ["down"], "after_s": 60},
        "alerts_replace": {"name": "On call", "channels": [made], "states": ["down"], "after_s": 60},
        "reconcile_decide": {"outcome": "failed", "note": "They said so."},
        "reconcile_resend": {"accept_duplicate": True, "note": "They said so."},
        "secrets_stage": {"value": "another-token-value", "expires_at": None, "configurations": {}},
        "secrets_change": {"expires_at": (start + timedelta(days=9)).isoformat()},
        "secrets_promote": {"grace_hours": 1, "note": "Why"},
        "configuration_apply": {"document": api("GET", "/configuration").text, "dry_run": False, "plan": None, "note": "Why",
                                "overwrite": ["Hook"], "secrets": {"Hook": {"secret": "right-token-value"}}},
        "revisions_restore": {"configurations": {"secret": "right-token-value"}, "note": "Why"},
        "breakers_decide": {"action": "open", "reason": "Why"},
    }  # fmt: skip


@pytest.fixture
def ids(api, session, bodies, http_service, clock):
    """What the paths of the document name, where it exists."""
    service = f"/services/{http_service['service_id']}"
    assert api("POST", f"{service}/enable").status_code == 200
    assert api("POST", "/routes", bodies["routes_create"]).status_code == 201
    rule = api("POST", "/alerts/rules", bodies["alerts_create"]).json
    window = api("POST", "/maintenance", bodies["maintenance_plan"]).json
    assert api("PUT", f"{service}/secrets/secret/next", bodies["secrets_stage"]).status_code == 200
    call = api("POST", "/calls", bodies["calls_create"])
    assert call.status_code == 200, call.text
    view = api("POST", "/logs/views", bodies["log_views_create"]).json
    incident = Incident(subject=http_service["service_id"], state="down", opened_at=clock.now(), points=[])
    session.add(incident)
    item = {"operation": "http.request", "state": "needs_attention", "service_id": http_service["service_id"]}
    session.add(ReconcileItem(call_id=int(call.json["call_id"]), **item))
    session.commit()
    return {
        "service_id": http_service["service_id"],
        "service_type": "HTTP_PROVIDER_GENERIC",
        "call_id": call.json["call_id"],
        "log_id": api("GET", "/logs").json["items"][0]["log_id"],
        "number": "1",
        "older": "1",
        "newer": "2",
        "rule_id": rule["rule_id"],
        "channel_id": rule["channels"][0],
        "window_id": window["window_id"],
        "view_id": view["view_id"],
        "incident_id": incident.incident_id,
    }


def path_values(operation, ids):
    """The parameters of its path; `name` is that of a route or of a secret."""
    names = {parameter.name for parameter in operation.path_parameters}
    known = {**ids, "name": "SHOP" if "/routes/" in operation.path else "secret"}
    return {name: known.get(name, "none") for name in names}


def operations(schema):
    """Every operation; those that delete come last, so that the others meet something."""
    found = [result.ok() for result in schema.get_all_operations()]
    return sorted(found, key=lambda operation: (operation.method.upper() == "DELETE", operation.label))


def run(requests, examples, send):
    """Send so many generated requests, the same ones in each run."""

    @seed(4)
    @settings(max_examples=examples, **QUICK)
    @given(case=requests)
    def each(case):
        send(case)

    each()


def generated(operation, **fixed):
    """Requests that the document allows and requests that it does not."""
    return st.one_of(*(operation.as_strategy(generation_mode=mode, **fixed) for mode in MODES))


def judge(case, headers):
    """Send a request and hold its answer against the document."""
    case.headers = {**(case.headers or {}), **headers}
    answer = case.call()
    check(case, answer)


def check(case, answer):
    """Hold an answer against the document."""
    described = {int(status) for status in case.operation.definition.raw["responses"]}
    excused = answer.status_code in MAY_FAIL & described
    case.validate_response(answer, checks=CONFORM if excused else [not_a_server_error, *CONFORM])


def test_generated_requests_under_every_scope(schema, token, full, subtests):
    singles = [token(scope) for scope in SCOPES]
    for operation in operations(schema):
        with subtests.test(operation.label):
            run(generated(operation), 3, lambda case: [judge(case, one) for one in (full, *singles)])


def test_generated_requests_about_what_exists(schema, full, ids, subtests):
    for operation in operations(schema):
        with subtests.test(operation.label):
            run(
                generated(operation, path_parameters=path_values(operation, ids)),
                10,
                lambda case: judge(case, full),
            )


def swapped(body):
    """The body with one member after the other, at any depth, replaced by something odd."""
    for name, value in body.items():
        yield from ({**body, name: odd} for odd in ODD)
        if isinstance(value, dict):
            yield from ({**body, name: below} for below in swapped(value))


def by_id(schema):
    return {operation.definition.raw["operationId"]: operation for operation in operations(schema)}


def test_odd_members_of_bodies(schema, full, ids, bodies, subtests):
    found = by_id(schema)
    assert set(bodies) == {name for name, operation in found.items() if operation.body}
    for name, body in bodies.items():
        operation = found[name]
        values = path_values(operation, ids)
        with subtests.test(operation.label):
            for one in swapped(body):
                judge(operation.Case(path_parameters=values, body=one, media_type="application/json"), full)


def test_bodies_that_are_no_json_objects(client, schema, full, ids, bodies, subtests):
    found = by_id(schema)
    sent = [
        *((raw, "application/json") for raw in RAW),
        *((b"{}", kind) for kind in ("", "text/plain", "\xff")),
    ]
    for operation in (found[name] for name in bodies):
        case = operation.Case(path_parameters=path_values(operation, ids))
        with subtests.test(operation.label):
            for raw, kind in sent:
                about = {"data": raw, "content_type": kind, "headers": full}
                check(case, client.open(case.formatted_path, method=operation.method, **about))


def test_odd_parameters_and_headers(schema, full, ids, subtests):
    for operation in operations(schema):
        values = path_values(operation, ids)
        with subtests.test(operation.label):
            for parameter in operation.query:
                for odd in ODD_TEXTS:
                    judge(operation.Case(path_parameters=values, query={parameter.name: odd}), full)
            for name in values:
                for odd in ODD_TEXTS:
                    judge(operation.Case(path_parameters={**values, name: odd}), full)
            for name in HEADERS:
                for odd in ODD_HEADERS:
                    judge(operation.Case(path_parameters=values, headers={name: odd}), full)


def test_odd_tokens(schema, subtests):
    for operation in operations(schema):
        values = {parameter.name: "1" for parameter in operation.path_parameters}
        with subtests.test(operation.label):
            for odd in ("", "Bearer", "Bearer \xff", "Basic eDp5", "Bearer pb_", "Bearer " + "x" * 9000):
                judge(operation.Case(path_parameters=values), {"Authorization": odd})
