"""Accounts in a real browser: every page in every view, and what needs more than one step."""

from __future__ import annotations

import pyotp
import pytest
from playwright.sync_api import expect
from sqlalchemy import update

from tests.people import PASSWORD
from tests.ui.checks import check_page
from tests.ui.conftest import PHONE, View
from webapp.models.session import UserSession

pytestmark = pytest.mark.browser

NEW = "/settings/integrations/new/EMAIL_PROVIDER_SENDGRID"


@pytest.mark.parametrize(
    "path",
    [
        "/account",
        "/account/password",
        "/account/second-step/add",
        "/settings/users",
        "/settings/users/new",
        "/settings/tokens/new",
        "/settings/audit",
    ],
)
def test_in_every_view(check_everywhere, path):
    check_everywhere(path)


@pytest.mark.parametrize("view", [View(), View(PHONE, "dark", "zh-CN")], ids=str)
def test_setting_up_the_second_step(visit, view, clock):
    page = visit("/account/second-step/add", view)
    page.locator(".more > summary").click()
    seed = page.locator(".seed").inner_text().replace(" ", "")
    check_page(page)
    page.locator("input[name=code]").fill("abc")
    page.keyboard.press("Enter")
    expect(page.locator(".error-summary")).to_be_focused()
    check_page(page)
    page.locator("input[name=code]").fill(pyotp.TOTP(seed).at(int(clock.now().timestamp())))
    page.keyboard.press("Enter")
    expect(page.locator(".recovery-codes li")).to_have_count(10)
    check_page(page)


def test_the_question_who_it_is_keeps_what_was_typed(visit, runtime):
    page = visit(NEW)
    page.locator("input[name=name]").fill("Mail")
    page.locator("input[name='config-from_email']").fill("a@example.com")
    page.locator("input[name='config-api_key']").fill("SG.0123456789abcdef")
    with runtime.sessions() as session:
        session.execute(update(UserSession).values(stepped_up_at=None))
        session.commit()

    page.locator("#service-form button.button-primary").click()

    question = page.locator("#step-up")
    expect(question).to_be_in_viewport()
    expect(question).to_be_focused()
    check_page(page)
    question.locator("input[type=password]").fill("wrong")
    question.get_by_role("button").click()
    expect(question).to_contain_text("not your password")
    question.locator("input[type=password]").fill(PASSWORD)
    question.get_by_role("button").click()
    expect(question).to_contain_text("send the form again")
    assert page.locator("input[name='config-api_key']").input_value() == "SG.0123456789abcdef"
    page.locator("#service-form button.button-primary").click()
    expect(page.get_by_role("heading", name="Mail", exact=True)).to_be_visible()


def test_a_token_can_be_made_without_javascript(visit):
    page = visit("/settings/tokens/new", javascript=False)
    page.locator("input[name=name]").fill("Shop")
    page.locator("input[value='calls:write']").check()
    page.locator("main button.button-primary").click()
    expect(page.locator(".code-block").first).to_contain_text("pb_")
