"""What people and vendors write is text in a real browser: nothing runs, and nothing even tries (attack 66)."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import expect

from tests.ui.checks import check_page
from tests.web.services import add
from webapp.engine.problems import PatchbayError
from webapp.registry import routes, services

pytestmark = pytest.mark.browser

INJECTION = (
    "<script>window.hit=1</script><img src=x onerror=window.hit=2><b data-hx-get=/logout data-hx-trigger=load>"
    "{{7*7}}</b><a href=\"javascript:window.hit=3\">x</a>' onmouseover='window.hit=4"
)
SHORT = INJECTION[:52]


@pytest.fixture
def vendor():
    """A vendor that answers with markup in everything it can."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = INJECTION.encode()
            self.send_response(422, "<script>window.hit=5</script>")
            self.send_header("Content-Type", "text/html")
            self.send_header("X-Request-Id", "<img/src=x/onerror=window.hit=6>")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def call(runtime, service_id):
    with pytest.raises(PatchbayError) as failed:
        runtime.hub.call(
            "http.request", {"method": "GET", "path": "/"}, prefer=service_id, point="injected.point",
            correlation_id=SHORT.replace(" ", "_"), caller="tests",
        )  # fmt: skip
    return failed.value.call_id


def test_nothing_that_was_written_runs_in_the_browser(visit, runtime, vendor):
    service_id = add(
        runtime, INJECTION[:118], service_type="HTTP_PROVIDER_GENERIC", description=INJECTION, is_enabled=True,
        configurations={"base_url": vendor, "auth": "none"},
    )  # fmt: skip
    with runtime.sessions() as session:
        values = {
            "name": "MAIL",
            "contract": "HTTP_SERVICE",
            "description": INJECTION,
            "members": [service_id],
        }
        routes.create(session, runtime, values, actor="lin@example.com")
        services.update(
            session, runtime, services.find(session, service_id), {"description": INJECTION + "!"},
            actor=SHORT, origin="ui", note=INJECTION,
        )  # fmt: skip
        session.commit()
    call_id = call(runtime, service_id)
    at = f"/settings/integrations/{service_id}"
    page = visit("/settings/integrations")
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))

    for path in (
        "/settings/integrations", at, f"{at}/edit", f"{at}/history", f"{at}/history/1..2", f"{at}/history/1/restore",
        f"{at}/health", "/settings/routes", "/settings/routes/MAIL", "/settings/audit", "/logs", f"/logs/{call_id}", "/health",
    ):  # fmt: skip
        page.goto(path)
        page.wait_for_load_state("load")
        assert page.evaluate("[window.hit, window.__violations, !!document.querySelector('#main')]") == [
            None,
            [],
            True,
        ], path
        assert page.locator("a[href^='javascript:']").count() == 0, path
    page.goto(at)
    expect(page.locator("#main")).to_contain_text("<script>window.hit=1</script>")
    assert dialogs == []
    check_page(page)
