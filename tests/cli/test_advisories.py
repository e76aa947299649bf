"""Whether a comparison with known vulnerabilities was one, and what it found."""

from __future__ import annotations

import json
import stat

import pytest

from webapp.commands import advisories

FINE = {"name": "idna", "version": "3.20", "vulns": []}
HOLE = {
    "name": "flask",
    "version": "3.1.3",
    "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["9.9"], "aliases": ["CVE-2026-1"], "description": "d"}],
}
UNKNOWN = {
    "name": "flask",
    "skip_reason": "Dependency not found on PyPI and could not be audited: flask (3.1.3)",
}


@pytest.fixture
def tool(tmp_path):
    """A program that answers for each index as pip-audit does, and ends well whatever it says."""

    def make(**answers):
        for index, packages in answers.items():
            text = (
                packages if isinstance(packages, str) else json.dumps({"dependencies": packages, "fixes": []})
            )
            (tmp_path / index).write_text(text)
        path = tmp_path / "pip-audit"
        path.write_text(
            f'#!/bin/sh\nwhile [ "$1" != --vulnerability-service ]; do shift; done\ncat "{tmp_path}/$2"\n'
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return make


def test_everything_compared_and_nothing_known(tool, capsys):
    assert advisories.main(tool(pypi=[FINE, FINE | {"name": "flask"}])) == 0
    assert capsys.readouterr().out == "pypi: 2 packages compared\nno known vulnerability\n"


def test_what_is_known_is_named_with_its_cure(tool, capsys):
    assert advisories.main(tool(pypi=[FINE, HOLE])) == 1
    assert "flask 3.1.3: PYSEC-2026-1 CVE-2026-1, fixed in 9.9\n" in capsys.readouterr().out


@pytest.mark.parametrize("silent", [[UNKNOWN], "", "{}", "[]", "Traceback"])
def test_an_index_that_knows_nothing_is_no_clean_bill(tool, capsys, silent):
    assert advisories.main(tool(pypi=silent, osv=silent)) == 2
    said = capsys.readouterr().out
    assert said.count("nothing was compared") == 2
    assert "no known vulnerability" not in said


def test_a_part_is_not_the_whole(tool, capsys):
    assert advisories.main(tool(pypi=[FINE, UNKNOWN], osv=[FINE, UNKNOWN])) == 2
    assert "1 packages compared; 1 could not be compared" in capsys.readouterr().out


def test_the_second_index_is_asked_when_the_first_cannot_say(tool, capsys):
    assert advisories.main(tool(pypi=[UNKNOWN], osv=[FINE])) == 0
    assert "osv: 1 packages compared" in capsys.readouterr().out
