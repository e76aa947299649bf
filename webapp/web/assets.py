"""Static files: built once under names made of their content, served plain when nobody has built them."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import subprocess
from pathlib import Path

import brotli  # type: ignore[import-untyped]
import click
from flask import Flask, current_app, request
from flask.cli import AppGroup
from whitenoise import WhiteNoise

from webapp.web.npm import NpmMissing, npm

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "static" / "src"
BUILT = ROOT / "static" / "dist"
PACKAGE = ROOT / "node_modules" / "htmx.org" / "dist"
HTMX = {"htmx.js": "htmx.min.js", "hx-sse.js": "ext/hx-sse.min.js", "hx-csp.js": "ext/hx-csp.min.js"}
OWN = (
    "app.css",
    "factor.css",
    "system.css",
    "files.css",
    "overview.css",
    "logs.css",
    "my.css",
    "app.js",
    "passkeys.js",
    "mark.svg",
)
# Sheets that only the pages of an area need, by blueprint.
SHEETS = {
    "account": "factor.css",
    "second_factor": "factor.css",
    "system": "system.css",
    "files": "files.css",
    "overview": "overview.css",
    "integrations": "overview.css",
    "logs": "logs.css",
    "log_views": "logs.css",
    "my": "my.css",
}

# Scripts that only the pages of an area need, by blueprint.
AREA_SCRIPTS = {"auth": "passkeys.js", "passkeys": "passkeys.js", "step_up": "passkeys.js"}

_IMPORT = re.compile(r'^@import "([^"]+)";\n', re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_SPACE = re.compile(r"\s*\n\s*|(?<=[{};,:]) +| +(?=[{}])")
_SOURCE_MAP = re.compile(rb"\n?//# sourceMappingURL=\S+\s*$")
_IMMUTABLE = r"^.*/dist/[a-z-]+\.[0-9a-f]{10}\.(css|js|svg)$"

commands = AppGroup("assets", help="The style sheet and the scripts of the pages.")


def register(app: Flask) -> None:
    """Serve /static through WhiteNoise and offer `asset()` and `scripts()` to templates."""
    app.cli.add_command(commands)
    app.jinja_env.globals.update(asset=asset, scripts=scripts, sheets=sheets)
    app.extensions["assets"] = read_manifest()
    app.wsgi_app = WhiteNoise(  # type: ignore[method-assign]
        app.wsgi_app,
        root=str(ROOT / "static"),
        prefix="static/",
        autorefresh=app.debug,
        max_age=60,
        immutable_file_test=_IMMUTABLE,
        allow_all_origins=False,
        add_headers_function=_add_headers,
    )


def _add_headers(headers: dict[str, str], _path: str, _url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"


def read_manifest(folder: Path = BUILT) -> dict[str, str]:
    """Return the built name of each file; empty when nothing was built."""
    manifest = folder / "manifest.json"
    return dict(json.loads(manifest.read_text())) if manifest.exists() else {}


def asset(name: str) -> str:
    """Return the address of a static file: the built one, else the source; in debug our own follow each edit."""
    edited = current_app.debug and name in OWN
    built = None if edited else current_app.extensions["assets"].get(name)
    return f"{request.script_root}/static/" + (f"dist/{built}" if built else f"src/{name}")


def sheets() -> list[str]:
    """List the addresses of the style sheets of this page."""
    extra = SHEETS.get(request.blueprint or "")
    return [asset("app.css"), *([asset(extra)] if extra else [])]


def scripts() -> list[str]:
    """List the addresses of the scripts of a page; without a build only our own, and pages work without htmx."""
    names = [*HTMX, "app.js"] if current_app.extensions["assets"] else ["app.js"]
    names += [AREA_SCRIPTS[request.blueprint]] if request.blueprint in AREA_SCRIPTS else []
    return [asset(name) for name in names]


@commands.command("build")
@click.option("--install/--no-install", default=True, help="Run `npm ci` first.")
def build_command(install: bool) -> None:
    """Fetch htmx with npm and write static/dist."""
    try:
        if install:
            npm(["ci", "--ignore-scripts", "--omit=dev", "--prefix", str(ROOT), "--loglevel=error"])
    except (NpmMissing, subprocess.CalledProcessError) as error:
        raise click.ClickException(str(error)) from error
    written = build(SOURCES, PACKAGE, BUILT)
    click.echo(f"Built {len(written)} files in {BUILT.relative_to(ROOT)}.")


def build(sources: Path, package: Path, target: Path) -> dict[str, str]:
    """Write every file under a name made of its content, with .br and .gz beside it, and the manifest.

    The same sources give the same bytes. The files of the build before stay, because a server that still runs
    hands them out; older ones go.
    """
    files = {name: (package / path).read_bytes() for name, path in HTMX.items()}
    files |= {name: bundle(sources / name) for name in OWN}
    target.mkdir(parents=True, exist_ok=True)
    kept = set(read_manifest(target).values())
    manifest = {
        name: _write(target, name, _SOURCE_MAP.sub(b"\n", content)) for name, content in files.items()
    }
    fresh = target / "manifest.json.new"
    fresh.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    fresh.replace(target / "manifest.json")
    _forget(target, kept | set(manifest.values()))
    return manifest


def _forget(folder: Path, kept: set[str]) -> None:
    for path in folder.iterdir():
        if path.name != "manifest.json" and path.name.removesuffix(".br").removesuffix(".gz") not in kept:
            path.unlink()


def bundle(path: Path) -> bytes:
    """Read a file; a style sheet comes with the sheets it imports in their places and without its comments."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".css":
        text = _IMPORT.sub(lambda found: (path.parent / found[1]).read_text(encoding="utf-8"), text)
        text = _SPACE.sub("", _COMMENT.sub("", text)) + "\n"
    return text.encode()


def _write(folder: Path, name: str, content: bytes) -> str:
    stem, _, suffix = name.rpartition(".")
    built = f"{stem}.{hashlib.sha256(content).hexdigest()[:10]}.{suffix}"
    (folder / built).write_bytes(content)
    (folder / f"{built}.br").write_bytes(brotli.compress(content, quality=11))
    (folder / f"{built}.gz").write_bytes(gzip.compress(content, compresslevel=9, mtime=0))
    return built
