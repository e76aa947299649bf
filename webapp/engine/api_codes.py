"""The codes only the JSON API speaks; those of calls are in webapp.engine.codes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from adapters.kit import N_
from webapp.engine.codes import Code

API_CODES: Mapping[str, Code] = MappingProxyType({
    "MALFORMED_REQUEST": Code(400, N_("The request cannot be read"), N_("Send one JSON object in UTF-8.")),
    "UNAUTHENTICATED": Code(401, N_("A valid token is missing"), N_("Send “Authorization: Bearer pb_…”.")),
    "FORBIDDEN": Code(403, N_("The token lacks a scope"), N_("Use a token that carries the scope.")),
    "NOT_FOUND": Code(404, N_("There is nothing here"), N_("Check the address and the identifier.")),
    "METHOD_NOT_ALLOWED": Code(405, N_("This method is not offered here"), N_("See the header Allow.")),
    "NOT_ACCEPTABLE": Code(406, N_("No acceptable form of answer"), N_("Accept application/json.")),
    "NAME_TAKEN": Code(409, N_("The name is taken"), N_("Choose another name.")),
    "ALREADY_DECIDED": Code(
        409, N_("It is known already what became of the call"), N_("Read the call on the reconcile list.")
    ),
    "PARAMS_GONE": Code(
        409, N_("What the call asked for is not kept"), N_("Make the call anew from the business code.")
    ),
    "REPLAY_REFUSED": Code(
        409, N_("The call may not be made again"), N_("Read the reason; make the call anew from the business code.")
    ),
    "FILE_CONFLICT": Code(
        409, N_("Changed elsewhere since the file was made"), N_("Export again and repeat the change, or name what is to be overwritten.")
    ),
    "STALE_REVISION": Code(
        412, N_("Somebody else saved first"), N_("Read it again, then repeat your change.")
    ),
    "TOO_LARGE": Code(413, N_("The request is too large"), N_("Send at most 1 MiB.")),
    "UNSUPPORTED_MEDIA_TYPE": Code(415, N_("This is not JSON"), N_("Send Content-Type: application/json.")),
})  # fmt: skip
"""Refusals of the API itself; nothing was sent to any service."""
