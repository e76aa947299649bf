"""Any service that speaks HTTP and has no adapter of its own."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal, Self

from pydantic import SecretStr, model_validator

from adapters.http import HttpService, Request, Response
from adapters.kit import (
    Auth,
    Basic,
    Bearer,
    Fault,
    HeaderKey,
    Message,
    Operation,
    QueryKey,
    Reply,
    Safety,
    Settings,
    Stage,
    Unsure,
    Wrong,
    fault_by_status,
    N_,
    secret,
    setting,
)
from adapters.kit.keyed import still_working

READS, REPEATABLE = {"GET", "HEAD", "OPTIONS"}, {"PUT", "DELETE"}
NAME = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{0,128}$"
PATH = r"^(/[^\s?#\\]*)?$"
NAMED = N_("Name of the header or of the query parameter that carries the key.")
READABLE = N_("A path that may be read at any time without effect; the test reads it.")
KINDS = {
    "none": N_("None"),
    "bearer": N_("Bearer token"),
    "basic": N_("User name and password"),
    "header": N_("Key in a header"),
    "query": N_("Key in the query"),
}


class GenericHttp(
    HttpService,
    service_type="HTTP_PROVIDER_GENERIC",
    label="HTTP",
    docs="docs/adapters/generic.md",
    summary=N_("Calls any HTTP API below one base address, with or without a secret."),
):
    """Plain requests to one base address; how safely each can be repeated is the caller's knowledge."""

    class Config(Settings):
        """Where the service is and how it knows us."""

        base_url: str = setting(N_("Base address"), kind="url", group="endpoint", destination=True)
        auth: Literal["none", "bearer", "basic", "header", "query"] = setting(
            N_("Authentication"), default="none", group="credentials", destination=True, choices=KINDS
        )
        username: str = setting(N_("User name"), default="", group="credentials", max_length=256)
        credential: SecretStr | None = secret(N_("Token, password or key"), alias="secret", default=None)
        key_name: str = setting(
            N_("Key name"), default="", group="credentials", pattern=NAME, destination=True, hint=NAMED
        )
        health_path: str = setting(
            N_("Health path"), default="", group="advanced", pattern=PATH, hint=READABLE
        )

        @model_validator(mode="after")
        def _complete(self) -> Self:
            needed = {"basic": ("username",), "header": ("key_name",), "query": ("key_name",)}.get(
                self.auth, ()
            )
            for field in (*needed, *(() if self.auth == "none" else ("credential",))):
                if not getattr(self, field):
                    raise Wrong(N_("This way of authentication needs it."), field=field, code="missing")
            return self

    config: Config

    def auth(self) -> Auth | None:
        """Send the secret the way the settings say."""
        config, key = self.config, self.config.credential
        if config.auth == "none" or key is None:
            return None
        ways: dict[str, Auth] = {
            "bearer": Bearer(key),
            "basic": Basic(config.username, key),
            "header": HeaderKey(config.key_name, key),
            "query": QueryKey(config.key_name, key),
        }
        return ways[config.auth]

    def request(self, request: Request) -> Response:
        """Make the request and return what came back, whatever its form; a keyed one carries our key for it."""
        key = {"Idempotency-Key": self.wire.idempotency_key} if request.safety is Safety.KEYED else {}
        reply = self.http.request(
            request.method,
            request.path,
            params=request.query,
            json=request.json,
            form=request.form,
            data=request.body,
            headers=key | request.headers,
        )
        return _response(reply)

    def classify(self, reply: Reply) -> Fault | None:
        """Go by the status; a conflict over our own key is none."""
        keyed = self.wire.safety is Safety.KEYED
        return (still_working(reply) if keyed else None) or fault_by_status(reply)

    def safety_of(self, operation: Operation, params: object) -> Safety:
        """Take the caller's word, else judge by the method."""
        if not isinstance(params, Request):
            return operation.safety
        usual = Safety.READ if params.method in READS else Safety.IDEMPOTENT
        return params.safety or (usual if params.method in READS | REPEATABLE else Safety.UNSAFE)

    def check(self) -> Iterator[Stage]:
        """Read the health path, where there is one."""
        if not self.config.health_path:
            nothing = N_("This service offers nothing that proves the key without a call.")
            yield Stage.skipped("authentication", nothing)
            return
        reply = self.http.get(self.config.health_path)
        yield Stage.ok(
            "request", Message.of(N_("The health path answers with HTTP %(status)s."), status=reply.status)
        )


def _response(reply: Reply) -> Response:
    kind = reply.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    headers = dict(reply.headers)
    if not reply.body:
        return Response(reply.status, headers)
    if kind.endswith(("/json", "+json")):
        with suppress(Unsure):
            return Response(reply.status, headers, json=reply.json())
    try:
        return Response(reply.status, headers, text=reply.body.decode())
    except UnicodeDecodeError:
        return Response(reply.status, headers, body_base64=base64.b64encode(reply.body).decode())
