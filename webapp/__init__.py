"""Patchbay: configures, calls, watches and secures every external service a platform depends on."""

from __future__ import annotations

import os
import threading
from importlib import import_module
from typing import TYPE_CHECKING, cast

from flask import Flask, abort, has_app_context, request
from werkzeug.exceptions import SecurityError
from werkzeug.local import LocalProxy
from werkzeug.middleware.proxy_fix import ProxyFix

from adapters.kit.clock import Clock
from webapp import extensions
from webapp.config import Config
from webapp.runtime import Runtime

if TYPE_CHECKING:
    from webapp.engine.hub import Hub

__all__ = ["create_app", "hub"]

MAX_BODY = 1024 * 1024
MAX_FORM_FIELDS = 500_000
MAX_FORM_PARTS = 200
# Each part of the application installs itself; they are named, not imported, because they import this module.
PARTS = ("webapp.accounts", "webapp.web", "webapp.api", "webapp.cli")


def create_app(
    config: Config | None = None, *, clock: Clock | None = None, runtime: Runtime | None = None
) -> Flask:
    """Make the application; raises ConfigError or KeyRefused when it may not start."""
    runtime = runtime or Runtime.create(config or Config.from_env(os.environ), clock)
    app = Flask("webapp", root_path=_root(), template_folder="templates", static_folder=None)
    app.extensions[extensions.KEY] = runtime
    _configure(app, runtime)
    app.register_error_handler(SecurityError, _foreign_host)
    app.before_request(_refuse_nul)
    extensions.db.init_app(app)
    extensions.login.init_app(app)
    extensions.csrf.init_app(app)
    for name in PARTS:
        import_module(name).register(app)
    _trust_proxies(app, runtime.config.proxy_hops)
    return app


def _foreign_host(_error: Exception) -> tuple[str, int, dict[str, str]]:
    """Answer a request to a name that is not ours without a page: its links would lead to that name."""
    return "This host name is not served here.\n", 400, {"Content-Type": "text/plain; charset=utf-8"}


def _refuse_nul() -> None:
    """Find nothing at an address with a NUL character: not every database can be asked for it."""
    if "\x00" in request.path:
        abort(404)


def _trust_proxies(app: Flask, hops: int) -> None:
    """Believe what reverse proxies say of the client, as many of them as there are; anyone can send the headers."""
    if hops:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]


def _root() -> str:
    """The checkout, where templates, static files and translations are."""
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - Flask wants a string


def _configure(app: Flask, runtime: Runtime) -> None:
    """Turn our configuration into Flask's."""
    config = runtime.config
    app.debug = config.debug
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config.update(
        SECRET_KEY=runtime.vault.derive(b"flask"),
        SQLALCHEMY_DATABASE_URI=config.database_url,
        MAX_CONTENT_LENGTH=MAX_BODY,
        MAX_FORM_MEMORY_SIZE=MAX_FORM_FIELDS,
        MAX_FORM_PARTS=MAX_FORM_PARTS,
        TRUSTED_HOSTS=list(config.trusted_hosts) or None,
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
    )


_standalone: list[Runtime] = []
_starting = threading.Lock()


def _hub() -> Hub:
    """The hub of the current application, or of this process when there is none, as in a worker or a script."""
    if has_app_context():
        return extensions.runtime().hub
    with _starting:
        if not _standalone:
            _standalone.append(Runtime.create(Config.from_env(os.environ)))
    return _standalone[0].hub


hub: Hub = cast("Hub", LocalProxy(_hub))
