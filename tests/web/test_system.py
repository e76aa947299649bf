"""The System page: what it shows, what it drives, and whom it lets."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select, update

from tests.vault.stores import fill, opened, primary
from webapp.extensions import KEY
from webapp.models.audit import AuditEntry
from webapp.models.keystore import KeyJob, KeyProcess
from webapp.models.secret import Kek, Secret
from webapp.state import counts_apart
from webapp.vault import jobs
from webapp.vault.heartbeat import Heartbeat

PAGE = "/settings/system"


@pytest.fixture
def live(app):
    return app.extensions[KEY]


def keys(live):
    with live.sessions() as session:
        return {kek.state: kek for kek in session.scalars(select(Kek))}


def test_it_shows_keys_processes_and_counts(live, admin_client):
    fill(live)
    Heartbeat(live).beat()

    text = admin_client.get(PAGE).text
    assert primary(live).fingerprint in text
    assert "1 of 1" in text
    assert "In use" in text


def test_a_rotation_from_the_page(live, admin_client, clock):
    values, old = fill(live), primary(live)
    admin_client.post(f"{PAGE}/keys")
    new = keys(live)["decrypt"]
    assert "Use this key" in admin_client.get(PAGE).text
    admin_client.post(f"{PAGE}/keys/{new.id}/promote")
    assert "Waiting" in admin_client.get(PAGE).text
    assert jobs.run_due(live, "tests") == 1
    clock.advance(1)
    admin_client.post(f"{PAGE}/jobs/rotate")
    jobs.run_due(live, "tests")
    admin_client.post(f"{PAGE}/keys/{old.id}/retire")
    page = admin_client.get(PAGE).text

    assert "11 of 11" in page
    assert keys(live)["retired"].id == old.id
    assert "Destroy the key" not in page
    assert opened(live, values) == values
    with live.sessions() as session:
        done = {entry.action: entry.actor for entry in session.scalars(select(AuditEntry))}
    steps = ("key.added", "key.promoted", "key.rewrap", "key.rotate", "key.retired")
    assert {done[step] for step in steps} == {"admin@example.com"}


def test_a_refused_step_is_explained_and_changes_nothing(live, admin_client):
    answer = admin_client.post(f"{PAGE}/keys/{primary(live).id}/retire", follow_redirects=True)

    assert "only a key that is no longer in use can be retired" in answer.text
    assert primary(live).state == "primary"


def test_an_unknown_key_or_step_is_not_found(admin_client, live):
    assert admin_client.post(f"{PAGE}/keys/none/retire").status_code == 404
    assert admin_client.post(f"{PAGE}/keys/{primary(live).id}/eat").status_code == 404
    assert admin_client.post(f"{PAGE}/jobs/eat").status_code == 404


def test_the_progress_of_a_job(live, admin_client):
    admin_client.post(f"{PAGE}/jobs/doctor")
    with live.sessions() as session:
        session.execute(update(KeyJob).values(state="running", total=200, done=50, failed=1))
        session.commit()

    page = admin_client.get(PAGE).text
    assert '<progress max="200" value="51"' in page
    assert 'data-hx-trigger="poll from:body"' in page


def test_what_the_doctor_found_leads_to_the_service(live, admin_client):
    values = fill(live)
    with live.sessions() as session:
        session.execute(update(Secret).where(Secret.id == next(iter(values))).values(ct="plain"))
        session.commit()
    admin_client.post(f"{PAGE}/jobs/doctor")
    jobs.run_due(live, "tests")

    page = admin_client.get(PAGE).text
    assert "1 secret needs to be entered again." in page
    assert "what is stored is not a sealed value" in page


def test_a_locked_vault_is_explained_and_rotates_nothing(live, config, admin_client):
    fill(live)
    (config.data_dir / "patchbay.key").unlink()
    live.vault.prepare()

    answer = admin_client.post(f"{PAGE}/jobs/rotate", follow_redirects=True)
    assert answer.status_code == 200
    assert "is not here" in answer.text
    with live.sessions() as session:
        assert session.scalars(select(KeyJob)).all() == []


def test_every_page_says_that_the_keys_are_missing(live, config, admin_client, viewer_client):
    page = "/settings/integrations"
    assert "Keys are missing" not in admin_client.get(page).text
    (config.data_dir / "patchbay.key").unlink()
    live.vault.prepare()

    told = admin_client.get(page).text
    assert "Keys are missing" in told
    assert f'href="{PAGE}"' in told.partition("<main")[2]
    assert "Keys are missing" in viewer_client.get(page).text
    assert "Keys are missing" not in admin_client.get(PAGE).text
    assert "Secrets are locked" in admin_client.get(PAGE).text


def test_an_operator_looks_and_does_not_touch(live, operator_client):
    page = operator_client.get(PAGE)

    assert page.status_code == 200
    assert "Add a key" not in page.text
    assert operator_client.post(f"{PAGE}/keys").status_code == 403


def test_an_export_is_a_file_that_nobody_keeps(live, admin_client):
    phrase = "quarry lantern velvet moss"
    answer = admin_client.post(f"{PAGE}/keys/export", data={"passphrase": phrase, "again": phrase})

    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Disposition"] == "attachment; filename=patchbay-keys.json"
    assert primary(live).fingerprint in answer.text
    differs = admin_client.post(
        f"{PAGE}/keys/export", data={"passphrase": phrase, "again": "x"}, follow_redirects=True
    )
    assert "The two passphrases differ." in differs.text


def test_a_field_that_was_smuggled_in_is_refused(admin_client):
    assert admin_client.post(f"{PAGE}/keys", data={"id": "mine"}).status_code == 422


def test_it_shows_what_waits_for_the_log(live, admin_client):
    assert "0 KB wait in 0 files." in admin_client.get(PAGE).text
    live.ledger.drain._failing = 0.0, "OperationalError"
    assert "The log cannot be written: OperationalError." in admin_client.get(PAGE).text


def test_it_warns_of_machines_that_count_apart(live, admin_client):
    assert "PATCHBAY_REDIS_URL" not in admin_client.get(PAGE).text
    with live.sessions() as session:
        now = live.clock.now()
        for host in ("one", "two"):
            session.add(
                KeyProcess(
                    id=host, kind="web", started_at=now, host=host, pid=7, seen_at=now, fingerprints=[]
                )
            )
        session.commit()

    assert "PATCHBAY_REDIS_URL" in admin_client.get(PAGE).text
    assert not counts_apart(replace(live.config, redis_url="redis://elsewhere"), ["one", "two"])
