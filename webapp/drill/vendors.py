"""Pretend vendors for a drill: one loopback server for each service of the route, with its knobs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.serving import BaseWSGIServer, make_server

from webapp.sandbox import create_sandbox, credentials
from webapp.sandbox.knobs import Knobs, Panel
from webapp.sandbox.outbox import Outbox
from webapp.sandbox.server import HOST, QuietHandler


@dataclass(frozen=True, slots=True)
class Stage:
    """What the sandbox can play: an adapter, the settings it accepts, and whose knobs move it."""

    service_type: str
    knob: str
    settings: Callable[[str], Mapping[str, Any]]


def _sendgrid(url: str) -> Mapping[str, Any]:
    return {"api_key": credentials.SENDGRID_API_KEY, "from_email": "drill@example.com", "base_url": url}


def _twilio(url: str) -> Mapping[str, Any]:
    return {
        "account_sid": credentials.TWILIO_ACCOUNT_SID,
        "auth_token": credentials.TWILIO_AUTH_TOKEN,
        "from": "+15005550006",
        "base_url": url,
    }


def _aliyun(url: str) -> Mapping[str, Any]:
    return {
        "accessKeyId": credentials.ALIYUN_ACCESS_KEY_ID,
        "accessKeySecret": credentials.ALIYUN_ACCESS_KEY_SECRET,
        "signName": credentials.ALIYUN_SIGN,
        "templateCode": credentials.ALIYUN_TEMPLATE,
        "base_url": url,
    }


def _http(url: str) -> Mapping[str, Any]:
    return {"base_url": f"{url}/http"}


# The first one of a contract stands in for vendors that the sandbox cannot play.
STAGES: Mapping[str, tuple[Stage, ...]] = {
    "EMAIL_SERVICE": (Stage("EMAIL_PROVIDER_SENDGRID", "sendgrid", _sendgrid),),
    "SMS_SERVICE": (
        Stage("SMS_PROVIDER_TWILIO", "twilio", _twilio),
        Stage("SMS_PROVIDER_ALIYUN", "aliyun", _aliyun),
    ),
    "HTTP_SERVICE": (Stage("HTTP_PROVIDER_GENERIC", "http", _http),),
}


def stage_for(contract: str, service_type: str) -> Stage | None:
    """What plays a service of this type: its own vendor where the sandbox knows it, else a stand-in, else nothing."""
    stages = STAGES.get(contract, ())
    return next(
        (stage for stage in stages if stage.service_type == service_type), stages[0] if stages else None
    )


class PretendVendor:
    """One sandbox on a port of its own. It can be turned, stopped as if it had died, and started again."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._app = create_sandbox()
        with socket.create_server((HOST, 0)) as free:
            self.port = int(free.getsockname()[1])
        self._server: BaseWSGIServer | None = None
        self.start()

    @property
    def url(self) -> str:
        """Where it listens, or would."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Listen, on the same port as before."""
        self._server = make_server(HOST, self.port, self._app, threaded=True, request_handler=QuietHandler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="drill", daemon=True).start()

    def stop(self) -> None:
        """Stop listening: from now on its port is closed."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def restart(self) -> None:
        """Listen again, if it had stopped."""
        if self._server is None:
            self.start()

    def turn(self, **knobs: object) -> None:
        """Behave well except for what is given."""
        panel: Panel = self._app.extensions["sandbox_panel"]
        panel.knobs[self.stage.knob] = Knobs().turned(knobs)

    def done(self, token: str) -> int:
        """How often it did what was asked for under this token."""
        outbox: Outbox = self._app.extensions["sandbox_outbox"]
        return sum(token in delivery.to for delivery in outbox.all())
