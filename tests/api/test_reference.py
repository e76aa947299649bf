"""The OpenAPI document and the page made from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from webapp.accounts.tokens import SCOPES
from webapp.engine.api_codes import API_CODES

METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


@pytest.fixture
def document(client):
    return client.get("/integrations/openapi.json").json


def rules(app):
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/integrations"):
            path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
            yield from ((path, method) for method in rule.methods & METHODS)


def test_the_document_is_valid(document):
    validate(document)

    assert document["openapi"].startswith("3.1")


def test_every_rule_is_in_the_document_and_nothing_else(app, document):
    described = {
        (path, verb.upper())
        for path, item in document["paths"].items()
        for verb in item
        if verb.upper() in METHODS
    }

    assert described == set(rules(app))


def test_every_operation_but_the_reference_names_its_scope(document):
    for path, item in document["paths"].items():
        for verb, operation in item.items():
            if verb.upper() in METHODS:
                is_open = path in {"/integrations/openapi.json", "/integrations/docs"}
                assert bool(operation["security"]) is not is_open, (path, verb)


def conforms(document, answer, name):
    resource = Resource.from_contents(document, default_specification=DRAFT202012)
    registry = Registry().with_resource("urn:document", resource)
    schema = {"$ref": f"urn:document#/components/schemas/{name}"}
    errors = Draft202012Validator(schema, registry=registry).iter_errors(answer.json)
    assert [error.message for error in errors] == []


def test_answers_are_what_the_document_says(api, document, http_service):
    path = f"/services/{http_service['service_id']}"
    call = {"operation": "http.request", "params": {"method": "GET", "path": "/"}}

    conforms(document, api("GET", path), "ServiceOut")
    conforms(document, api("GET", "/services"), "ServicePage")
    conforms(document, api("POST", f"{path}/test-connection"), "TestOut")
    conforms(document, api("POST", f"{path}/enable"), "ServiceOut")
    conforms(document, api("GET", f"{path}/revisions"), "RevisionPage")
    conforms(document, api("GET", "/types"), "TypeList")
    conforms(document, api("GET", "/types/HTTP_PROVIDER_GENERIC"), "TypeDetail")
    conforms(document, api("GET", "/health"), "HealthPage")
    conforms(document, api("GET", "/services/none"), "ProblemOut")
    conforms(document, api("POST", "/services", {}), "ProblemOut")
    made = api("POST", "/calls", call)
    conforms(document, made, "CallOut")
    conforms(document, api("GET", f"/calls/{made.json['call_id']}"), "CallDetail")
    conforms(document, api("GET", "/logs"), "LogPage")
    conforms(document, api("GET", f"/logs/{api('GET', '/logs').json['items'][0]['log_id']}"), "LogDetail")
    conforms(document, api("POST", "/calls", {**call, "service_type_preference": "NOBODY"}), "ProblemOut")
    route = {"name": "SHOP", "contract": "HTTP_SERVICE", "members": [http_service["service_id"]]}
    conforms(document, api("POST", "/routes", route), "RouteOut")
    conforms(document, api("GET", "/routes"), "RouteList")


def test_the_page_is_open_and_shows_every_operation(client, document):
    page = client.get("/integrations/docs")

    assert page.status_code == 200
    assert page.mimetype == "text/html"
    text = page.get_data(as_text=True)
    for item in document["paths"].values():
        for verb, operation in item.items():
            if verb.upper() in METHODS:
                assert f'id="{operation["operationId"]}"' in text
    for name in document["components"]["schemas"]:
        assert f'id="schema-{name}"' in text


def test_the_links_of_the_page_lead_somewhere(client):
    text = client.get("/integrations/docs").get_data(as_text=True)
    ids = re.findall(r' id="([^"]+)"', text)

    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(ids)


def test_the_page_loads_nothing_from_elsewhere(client):
    text = client.get("/integrations/docs").get_data(as_text=True)

    assert re.findall(r'(?:src|href)="(?:https?:)?//', text) == []
    assert "<script>" not in text
    assert " style=" not in text


def test_an_unchanged_document_is_not_sent_again(client):
    tag = client.get("/integrations/openapi.json").headers["ETag"]

    assert client.get("/integrations/openapi.json", headers={"If-None-Match": tag}).status_code == 304


def test_the_guide_names_every_route_scope_and_code(app):
    guide = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")

    assert [path for path, _ in rules(app) if path not in guide] == []
    assert [scope for scope in SCOPES if f"`{scope}`" not in guide] == []
    assert [code for code in API_CODES if f"`{code}`" not in guide] == []
