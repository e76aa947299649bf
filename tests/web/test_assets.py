"""The build of static files, and pages with and without it."""

from __future__ import annotations

import gzip
import json
import re
import subprocess

import brotli
import pytest

from webapp.web import assets
from webapp.web.assets import HTMX, OWN, ROOT, SOURCES, build

BUDGET_JS, BUDGET_CSS = 24 * 1024, 9 * 1024


@pytest.fixture
def package(tmp_path):
    """Stands in for the installed package: the build only copies, whatever is in it."""
    folder = tmp_path / "package"
    for path in HTMX.values():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(f"/* {path} */\n//# sourceMappingURL={path}.map\n")
    return folder


def test_two_builds_are_equal(package, tmp_path):
    build(SOURCES, package, tmp_path / "one")
    build(SOURCES, package, tmp_path / "two")
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two")
    )
    assert first == second


def test_build_writes_every_file_under_its_content_with_compressed_twins(package, tmp_path):
    manifest = build(SOURCES, package, tmp_path / "dist")
    assert set(manifest) == {*HTMX, *OWN}
    assert json.loads((tmp_path / "dist" / "manifest.json").read_text()) == manifest
    for built in manifest.values():
        assert re.fullmatch(r"[a-z-]+\.[0-9a-f]{10}\.(css|js|svg)", built)
        content = (tmp_path / "dist" / built).read_bytes()
        assert brotli.decompress((tmp_path / "dist" / f"{built}.br").read_bytes()) == content
        assert gzip.decompress((tmp_path / "dist" / f"{built}.gz").read_bytes()) == content
        assert b"sourceMappingURL" not in content


def test_a_new_build_replaces_the_old_one(package, tmp_path):
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "app.0000000000.js").touch()
    build(SOURCES, package, tmp_path / "dist")
    assert not (tmp_path / "dist" / "app.0000000000.js").exists()


def test_a_failed_build_leaves_the_old_one(tmp_path):
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "manifest.json").write_text("{}")
    with pytest.raises(FileNotFoundError):
        build(SOURCES, tmp_path / "nowhere", tmp_path / "dist")
    assert (tmp_path / "dist" / "manifest.json").exists()


def test_style_sheet_comes_in_one_piece(package, tmp_path):
    manifest = build(SOURCES, package, tmp_path / "dist")
    style = (tmp_path / "dist" / manifest["app.css"]).read_text()
    assert "@import" not in style
    assert "/*" not in style
    assert all(
        f"@layer {layer}{{" in style for layer in ("tokens", "base", "layout", "components", "forms", "data")
    )


def test_style_and_scripts_keep_to_their_budgets():
    sizes = {name: len(brotli.compress(assets.bundle(SOURCES / name))) for name in ("app.css", "app.js")}
    assert sizes["app.css"] <= BUDGET_CSS
    package = ROOT / "node_modules" / "htmx.org" / "dist"
    if package.exists():
        sizes |= {name: len(brotli.compress((package / path).read_bytes())) for name, path in HTMX.items()}
    assert sum(size for name, size in sizes.items() if name.endswith(".js")) <= BUDGET_JS


def test_pages_use_the_plain_sources_without_a_build(app, client):
    app.extensions["assets"] = {}
    page = client.get("/login").text
    assert 'href="/static/src/app.css"' in page
    assert re.findall(r'<script src="([^"]+)"', page) == ["/static/src/app.js", "/static/src/passkeys.js"]
    with client.get("/static/src/app.css") as answer:
        assert answer.status_code == 200


def test_pages_use_the_built_files(app, client):
    app.extensions["assets"] = {name: name.replace(".", ".0123456789.") for name in (*HTMX, *OWN)}
    page = client.get("/login").text
    assert 'href="/static/dist/app.0123456789.css"' in page
    assert len(re.findall(r'<script src="/static/dist/[^"]+" nonce="[^"]+" defer>', page)) == 5


def test_static_files_are_for_this_site_only(client):
    with client.get("/static/src/app.css") as answer:
        headers = answer.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in headers


def test_no_third_party_file_is_kept_in_the_repository():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not [name for name in listed.splitlines() if "htmx" in name.rsplit("/", 1)[-1] or "/dist/" in name]


def test_locks_name_no_registry():
    for lock in (ROOT / "package-lock.json", ROOT / "tests" / "ui" / "package-lock.json"):
        assert "http" not in lock.read_text()
        packages = json.loads(lock.read_text())["packages"]
        assert all("integrity" in package for name, package in packages.items() if name)
