"""The System page in every view, with a rotation under way and a secret that does not open; references in a form."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from sqlalchemy import update

from tests.ui.checks import check_page
from tests.ui.conftest import PHONE, VIEWS, View
from tests.vault.stores import fill, job
from webapp.models.keystore import KeyJob
from webapp.models.secret import Secret
from webapp.vault import jobs, lifecycle
from webapp.vault.heartbeat import Heartbeat

pytestmark = pytest.mark.browser
PAGE = "/settings/system"


@pytest.fixture
def busy(runtime):
    """Two keys, a process, a job half done, and a secret that the doctor could not open."""
    values = fill(runtime)
    Heartbeat(runtime).beat()
    with runtime.sessions() as session:
        session.execute(update(Secret).where(Secret.id == next(iter(values))).values(ct="plain"))
        lifecycle.add(session, runtime, actor="lin@example.com")
        session.commit()
    job(runtime, "doctor")
    with runtime.sessions() as session:
        running = jobs.start(session, runtime, "rotate", actor="lin@example.com")
        session.flush()
        values = {"state": "running", "total": 12, "done": 7, "beat_at": runtime.clock.now()}
        session.execute(update(KeyJob).where(KeyJob.id == running.id).values(**values))
        session.commit()


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_keys_and_jobs_are_shown(visit, busy, view):
    page = visit(PAGE, view=view)

    expect(page.locator("#key-state progress")).to_have_attribute("value", "7")
    check_page(page)


def test_promoting_asks_first(visit, busy, runtime):
    page = visit(PAGE)
    page.locator("#keys [command=show-modal]", has_text="Use this key").click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("from now on?")
    check_page(page)


def test_without_javascript_everything_is_a_form(visit, busy, runtime):
    page = visit(PAGE, javascript=False)
    page.get_by_role("button", name="Wrap data keys anew").click()

    expect(page.locator("#jobs")).to_contain_text("Wrap data keys anew")
    assert jobs.run_due(runtime, "tests") == 1


@pytest.mark.parametrize("view", [View(), View(PHONE, "dark", "zh-CN")], ids=str)
def test_a_reference_can_be_given_in_the_place_of_a_secret(visit, view):
    page = visit("/settings/integrations/new/EMAIL_PROVIDER_SENDGRID", view=view)
    page.locator(".reference summary").click()
    page.locator("#f-api_key-reference").fill("env:PATCHBAY_SECRET_MAIL")

    check_page(page)
