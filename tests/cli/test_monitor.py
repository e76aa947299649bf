"""Health, alerts and maintenance on the command line, and the scheduler in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest

from tests.engine.vendor import Vendor, answer
from webapp.models.health import HealthCheck, Lease
from webapp.monitor import channels
from webapp.registry import services


@pytest.fixture
def run(app):
    return lambda *words: app.test_cli_runner().invoke(args=words)


@pytest.fixture
def vendor():
    one = Vendor(answer(200, {"scopes": ["mail.send"]}))
    yield one
    one.close()


@pytest.fixture
def mail(runtime, vendor):
    config = {"api_key": "SG.a-key-that-is-long", "from_email": "a@example.com", "base_url": vendor.url}
    with runtime.sessions() as session:
        made = services.create(
            session, runtime, name="Mail", service_type="EMAIL_PROVIDER_SENDGRID", configurations=config,
            actor="tests", origin="cli", is_enabled=True,
        )  # fmt: skip
        session.commit()
        return made.service_id


def test_the_table_of_services(run, mail, runtime, clock):
    first = run("health")
    assert (first.exit_code, "unknown" in first.output) == (0, True)
    assert "Nobody checks at the moment" in first.output

    with runtime.sessions() as session:
        session.add(Lease(name="monitor", holder="x", until=clock.now() + timedelta(seconds=30)))
        session.commit()
    assert run("health", "check", mail).output.splitlines()[-1] == "healthy"
    assert run("health").output.split() == [mail, "healthy", "2026-01-02T03:04", "2026-01-02T03:04", "Mail"]
    assert json.loads(run("health", "--json").output)["state"] == "healthy"


def test_a_check_by_hand_counts_as_any_other(run, mail, vendor, session):
    vendor.does = answer(401)
    states = [run("health", "check", mail).output.splitlines()[-1] for _ in range(2)]

    assert states == ["pending", "reauth"]
    assert run("health", "check", mail).exit_code == 1
    assert session.query(HealthCheck).count() == 3
    assert run("health", "check", "nobody").exit_code == 1


def test_a_channel_is_listed_and_tried(run, runtime, vendor):
    with runtime.sessions() as session:
        values = {"name": "Hook", "kind": "webhook", "url": f"{vendor.url}/secret-part"}
        channel = channels.create(session, runtime, values, actor="tests").channel_id
        session.commit()
    listed = run("alerts", "list").output
    assert (channel in listed, "secret-part" in listed) == (True, False)
    assert run("alerts", "test", channel).output == "Hook: sent\n"

    vendor.does = answer(500)
    refused = run("alerts", "test", channel)
    assert (refused.exit_code, refused.output) == (1, "Hook: failed  VENDOR_SERVER_ERROR\n")
    assert run("alerts", "test", "nobody").exit_code == 1


def test_windows_are_planned_and_ended(run, mail):
    nightly = run(
        "maintenance", "add", "Nightly", "--from", "2026-01-03T02:00", "--minutes", "60", "--zone", "Asia/Shanghai",
        "--repeat", "daily", "--until", "2026-02-01T00:00", "--service", mail,
    ).output.strip()  # fmt: skip
    once = run(
        "maintenance", "add", "Move", "--from", "2026-01-02T20:00", "--to", "2026-01-02T21:00"
    ).output.strip()
    assert [line.split()[0] for line in run("maintenance", "list").output.splitlines()] == [nightly, once]
    told = [json.loads(line) for line in run("maintenance", "list", "--json").output.splitlines()]
    assert told[0]["next"]["starts_at"] == "2026-01-02T18:00:00.000Z"

    assert run("maintenance", "end", "--once", nightly).exit_code == 0
    told = [json.loads(line) for line in run("maintenance", "list", "--json").output.splitlines()]
    assert told[1]["next"]["starts_at"] == "2026-01-03T18:00:00.000Z"
    later = ["--from", "2026-01-02T22:00", "--title", "Move later", "--service", mail]
    assert run("maintenance", "change", once, *later).exit_code == 0
    assert run("maintenance", "change", nightly, "--minutes", "30", "--until", "never").exit_code == 0
    told = {
        one["window_id"]: one
        for one in map(json.loads, run("maintenance", "list", "--json").output.splitlines())
    }
    assert (told[once]["title"], told[once]["services"], told[once]["ends_at"]) == (
        "Move later", [mail], "2026-01-02T23:00:00.000Z",
    )  # fmt: skip
    assert (told[nightly]["repeat_until"], told[nightly]["ends_at"]) == (None, "2026-01-02T18:30:00.000Z")
    both = run("maintenance", "change", once, "--to", "2026-01-02T23:30", "--minutes", "9")
    assert (both.exit_code, run("maintenance", "change", "none").exit_code) == (2, 1)
    assert run("maintenance", "change", once, "--zone", "Mars/Base").exit_code == 1
    assert run("maintenance", "change", nightly, "--repeat", "once", "--all-services").exit_code == 0
    assert run("maintenance", "change", nightly, "--repeat", "daily").exit_code == 0
    assert run("maintenance", "end", "--once", once).exit_code == 1
    assert run("maintenance", "end", once).exit_code == 0
    assert run("maintenance", "end", once).exit_code == 1


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["--from", "2026-01-03"], 2, "either --to or --minutes"),
        (["--from", "soon", "--minutes", "9"], 2, "not a moment: soon"),
        (
            ["--from", "2026-01-03", "--minutes", "9", "--zone", "Mars/Base"],
            2,
            "no such time zone: Mars/Base",
        ),
        (["--from", "2026-01-03", "--to", "2026-01-01"], 1, "cannot end before it begins"),
        (["--from", "2026-01-03", "--minutes", "9", "--service", "nobody"], 1, "There is no such service."),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(run, words, status, says):
    refused = run("maintenance", "add", "X", *words)

    assert (refused.exit_code, says in refused.output) == (status, True)


def test_the_scheduler_runs_in_a_process_of_its_own(config, runtime):
    environment = os.environ | {
        "PATCHBAY_DATA_DIR": str(config.data_dir), "PATCHBAY_DATABASE_URL": config.database_url,
    }  # fmt: skip
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "scheduler"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert "Periodic work runs here" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    with runtime.sessions() as session:
        assert session.get(Lease, "monitor") is None
