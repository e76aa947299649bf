"""The sandbox: a local pretend vendor, to try everything without an account.

It speaks enough of SendGrid, Twilio, Aliyun SMS and plain HTTP for the adapters to work unchanged, keeps what it
was sent in memory, and has knobs for latency, errors and rate limits. It never contacts anybody.
"""

from __future__ import annotations

from pathlib import Path

from flask import Flask

from webapp.sandbox import aliyun, control, plain_http, sendgrid, twilio
from webapp.sandbox.knobs import Panel
from webapp.sandbox.outbox import Outbox

ROOT = Path(__file__).resolve().parents[2]


def create_sandbox() -> Flask:
    """Build the pretend vendor as an application of its own, with fresh knobs and an empty outbox."""
    app = Flask(__name__, template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static" / "src"))
    app.config["MAX_CONTENT_LENGTH"] = 32 * 1024 * 1024
    app.extensions["sandbox_panel"] = Panel()
    app.extensions["sandbox_outbox"] = Outbox()
    for module in (control, sendgrid, twilio, aliyun, plain_http):
        app.register_blueprint(module.bp)
    return app
