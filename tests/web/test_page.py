"""Whole pages and single blocks at the same address, and the attributes that htmx asks for."""

from __future__ import annotations

import json
import re

import pytest
from flask import get_template_attribute, render_template_string
from jinja2 import DictLoader, UndefinedError

from adapters.kit import Message
from webapp.web.access import public
from webapp.web.hx import csp_nonce, htmx, hx, notice, respond
from webapp.web.page import page

TEMPLATE = "<main>{% block part %}<p {{ hx(get='/part') }}>{{ ui.pill('healthy') }}{{ word }}</p>{% endblock %}</main>"
PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture
def client(app):
    """A browser that can open /part, a page with a block."""
    app.jinja_env.loader = DictLoader({"part.html": TEMPLATE, **sources(app)})

    @app.get("/part")
    @public
    def part():
        return page("part.html", "part", word="here")

    return app.test_client()


def sources(app):
    loader = app.jinja_env.loader
    return {
        name: loader.get_source(app.jinja_env, name)[0] for name in app.jinja_env.list_templates(["html"])
    }


@pytest.mark.parametrize(
    ("headers", "whole"),
    [
        ({}, True),
        (PARTIAL, False),
        ({"HX-Request": "true"}, False),
        ({"HX-Request": "true", "HX-Request-Type": "full"}, True),
        (PARTIAL | {"HX-Boosted": "true"}, True),
        (PARTIAL | {"HX-History-Restore-Request": "true"}, True),
    ],
)
def test_htmx_gets_the_block_and_everybody_else_the_page(client, headers, whole):
    answer = client.get("/part", headers=headers)
    assert answer.text.startswith("<main>") is whole
    assert "Healthy" in answer.text
    assert {"HX-Request", "HX-Request-Type"} <= set(answer.vary)


def test_block_equals_that_part_of_the_page(client):
    def bare(text):
        return re.sub(r'nonce="[^"]*"', "", text)

    part, whole = client.get("/part", headers=PARTIAL).text, client.get("/part").text
    assert bare(part) in bare(whole)


def test_attributes_carry_the_nonce_of_the_policy(client):
    answer = client.get("/part")
    nonce = re.search(r"'nonce-([^']+)'", answer.headers["Content-Security-Policy"])[1]
    assert f'data-hx-nonce="{nonce}"' in answer.text


def test_attributes_are_written_as_htmx_reads_them(app):
    with app.test_request_context():
        text = hx(
            post="/a?b=1&c=2",
            push_url=True,
            sync=None,
            boost=False,
            status__422="swap:none",
            vals={"a": 'ü"'},
        )
        nonce = csp_nonce()
    assert text == (
        'data-hx-post="/a?b=1&amp;c=2" data-hx-push-url="true" data-hx-status:422="swap:none" '
        f'data-hx-vals="{{&#34;a&#34;: &#34;ü\\&#34;&#34;}}" data-hx-nonce="{nonce}"'
    )


def test_source_and_target_come_without_their_tags(app):
    with app.test_request_context(
        headers={"HX-Request": "true", "HX-Source": "button#go", "HX-Target": "div#out"}
    ):
        assert (htmx.source_id, htmx.target_id) == ("go", "out")
    with app.test_request_context(headers={"HX-Request": "true", "HX-Source": "button"}):
        assert (htmx.source_id, htmx.target_id) == (None, None)


def test_answer_tells_htmx_what_to_do(app):
    with app.test_request_context():
        answer = respond(
            "<p></p>", 201, toast=notice("Saved.", undo="/undo"), push_url="/here", redirect="/there"
        )
    assert answer.status_code == 201
    told = json.loads(answer.headers["HX-Trigger"])
    assert told == {"toast": {"text": "Saved.", "tone": "ok", "undo": "/undo", "undo_label": "Undo"}}
    assert (answer.headers["HX-Push-Url"], answer.headers["HX-Redirect"]) == ("/here", "/there")


def test_answer_in_chinese_fits_into_a_header(app):
    with app.test_request_context():
        answer = respond(toast=notice("已保存"))
    assert answer.headers["HX-Trigger"].isascii()


def test_macros_escape_what_they_are_given(app):
    with app.test_request_context():
        shown = render_template_string(
            "{{ ui.pill('<b>') }}{{ ui.banner('bad', '<i>') }}{{ ui.code_block('<u>', 'x') }}"
        )
    assert not re.search(r"<[biu]>", shown)


def test_unknown_macro_is_an_error(app):
    with app.test_request_context(), pytest.raises(UndefinedError, match="nothing"):
        render_template_string("{{ ui.nothing() }}")


def test_messages_are_said_with_their_values(app):
    inner = Message.of("port %(port)s", port=25)
    with app.test_request_context():
        assert render_template_string("{{ m|say }}", m=Message.of("Cannot reach %(what)s.", what=inner)) == (
            "Cannot reach port 25."
        )


def test_step_of_a_test_names_the_field_to_correct(app):
    stage = {
        "name": "authentication", "status": "failed", "message": Message.of("Refused."), "duration_ms": 12,
        "remedy": Message.of("Enter it again."), "field": "password", "code": "VENDOR_AUTH_REJECTED",
    }  # fmt: skip
    with app.test_request_context():
        shown = get_template_attribute("ui/status.html", "step")(stage)
    assert 'href="#f-password"' in shown
    assert "VENDOR_AUTH_REJECTED" in shown
    assert "12 ms" in shown
