"""`flask keys …`: every step by hand, with its exit status."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import update

from tests.vault.stores import fill, opened, primary
from webapp.extensions import KEY
from webapp.models.secret import Secret


@pytest.fixture
def live(app):
    return app.extensions[KEY]


@pytest.fixture
def keys(app):
    """Run a command; answer its result."""
    runner = app.test_cli_runner()
    return lambda *args, stdin=None: runner.invoke(args=["keys", *args], input=stdin)


def test_a_whole_rotation_by_hand(keys, live, clock):
    values, old = fill(live), primary(live).fingerprint
    added = keys("add")
    new = added.output.split()[0]
    assert "decrypt" in keys("list").output
    promoted = keys("promote", new)
    assert "rewrap: done, 4 of 4 rows, 0 cannot be opened" in promoted.output
    clock.advance(1)
    assert "rotate: done, 11 of 11 rows" in keys("rotate").output
    assert keys("retire", old).exit_code == 0
    refused = keys("destroy", old, "--yes")
    assert refused.exit_code == 1
    assert "Backups" in refused.output
    clock.advance(31 * 86400)
    assert keys("destroy", old, "--yes").exit_code == 0
    assert keys("doctor").exit_code == 0
    assert opened(live, values) == values


def test_doctor_tells_by_its_exit_status(keys, live):
    fill(live)
    assert keys("doctor").exit_code == 0
    with live.sessions() as session:
        session.execute(update(Secret).where(Secret.owner_id == "1").values(ct="plain"))
        session.commit()

    told = keys("doctor")
    assert told.exit_code == 1
    assert "2 cannot be opened: malformed" in told.output
    assert "service 1 field_0" in told.output
    assert json.loads(keys("doctor", "--json").output)["reasons"] == {"malformed": 2}


def test_a_step_that_is_refused_says_why(keys, live):
    told = keys("promote", "0000")

    assert (told.exit_code, told.output) == (1, "Error: There is no key 0000.\n")


def test_export_and_import(keys, live, tmp_path):
    file, phrase = str(tmp_path / "keys.json"), "quarry lantern velvet moss\n"
    assert keys("export", file, "--passphrase-stdin", stdin=phrase).exit_code == 0
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    assert keys("export", file, "--passphrase-stdin", stdin=phrase).exit_code == 1
    assert primary(live).fingerprint in keys("import", file, "--passphrase-stdin", stdin=phrase).output


def test_a_locked_vault_rotates_nothing(keys, live, config):
    (config.data_dir / "patchbay.key").unlink()
    live.vault.prepare()

    told = keys("rotate")
    assert told.exit_code == 1
    assert "is not here" in told.output
