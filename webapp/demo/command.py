"""`flask --app wsgi demo`: everything in one command, and everything gone when it stops but its data directory."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading

import click

from webapp import create_app, db
from webapp.config import Config
from webapp.demo import samples, traffic
from webapp.runtime import Runtime
from webapp.sandbox.server import HOST, make_sandbox_server

SANDBOX_PORT = 5055
PASSWORD_FILE = "demo-password"  # noqa: S105 - the name of a file


@click.command()
@click.option("--sandbox-port", type=click.IntRange(0, 65535), default=SANDBOX_PORT, show_default=True)
def demo(sandbox_port: int) -> None:
    """Start Patchbay with sample services on the sandbox, and a little traffic."""
    try:
        sandbox = make_sandbox_server(sandbox_port)
    except SystemExit:
        raise click.ClickException(
            f"Port {sandbox_port} is taken; choose another with --sandbox-port."
        ) from None
    threading.Thread(target=sandbox.serve_forever, name="sandbox", daemon=True).start()
    environment = _environment(f"{HOST}:{sandbox.port}")
    runtime = _runtime(environment)
    base_url, password = f"http://{HOST}:{sandbox.port}", _password(runtime)
    with runtime.sessions() as session:
        samples.seed(session, runtime, base_url, password)
    click.echo(f"Sandbox    {base_url}/")
    click.echo(f"Patchbay   http://{os.environ.get('HOST', HOST)}:{os.environ.get('PORT', '5000')}/")
    click.echo(f"Sign in    {samples.EMAIL}  {password}")
    _serve(environment, runtime)


def _environment(sandbox: str) -> dict[str, str]:
    """The demo lives beside the real data, never in it."""
    data_dir = Config.from_env(os.environ).data_dir / "demo"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PATCHBAY_")}
    switches = {"PATCHBAY_EGRESS_ALLOW": sandbox, "PATCHBAY_REQUIRE_MFA": "0"}
    return kept | {"PATCHBAY_DATA_DIR": str(data_dir)} | switches


def _runtime(environment: dict[str, str]) -> Runtime:
    app = create_app(Config.from_env(environment))
    runtime: Runtime = app.extensions["patchbay"]
    db.upgrade(runtime.engine)
    runtime.vault.prepare()
    return runtime


def _password(runtime: Runtime) -> str:
    """The demo's password is made once and kept, readable by this user only."""
    path = runtime.config.data_dir / PASSWORD_FILE
    if not path.exists():
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"demo-{secrets.token_urlsafe(12)}")
    return path.read_text()


def _serve(environment: dict[str, str], runtime: Runtime) -> None:
    stop = threading.Event()
    calls = threading.Thread(target=traffic.run, args=(runtime, stop), name="traffic", daemon=True)
    command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi:app"]
    server = subprocess.Popen(command, env=environment)  # noqa: S603 - our own command line
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    calls.start()
    try:
        server.wait()
    except KeyboardInterrupt:
        server.terminate()
        server.wait()
    finally:
        stop.set()
