"""References: secrets that stay where they are, named by each setting that uses one.

    vault:MOUNT/PATH#KEY[@VERSION]       aws-sm:NAME-OR-ARN[#KEY][@STAGE]     aws-ssm:NAME
    azure-kv:VAULT/NAME[@VERSION]        env:PATCHBAY_SECRET_NAME             file:PATH

Whoever runs Patchbay decides how far each kind reaches; without that, a reference would read any secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from adapters.kit.text import Message, N_
from webapp.keyconfig import RefLimits

LONGEST = 500
_SEGMENT = r"[A-Za-z0-9_+=-][A-Za-z0-9._+=-]*"
_PATH = rf"{_SEGMENT}(?:/{_SEGMENT})*"
FORMS: dict[str, re.Pattern[str]] = {
    "vault": re.compile(
        rf"(?P<path>{_SEGMENT}/{_PATH})#(?P<key>[A-Za-z0-9._-]+)(?:@(?P<version>[0-9]{{1,9}}))?"
    ),
    "aws-sm": re.compile(
        rf"(?P<path>arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{{12}}:secret:{_PATH}|/?{_PATH})"
        r"(?:#(?P<key>[A-Za-z0-9._-]+))?(?:@(?P<version>AWSCURRENT|AWSPREVIOUS))?"
    ),
    "aws-ssm": re.compile(rf"(?P<path>/?{_PATH})"),
    "azure-kv": re.compile(
        r"(?P<path>[A-Za-z0-9][A-Za-z0-9.:-]*)/(?P<key>[A-Za-z0-9-]+)(?:@(?P<version>[A-Za-z0-9]+))?"
    ),
    "env": re.compile(r"(?P<path>PATCHBAY_SECRET_[A-Z0-9_]+)"),
    "file": re.compile(rf"(?P<path>{_PATH})"),
}
# Settings of Patchbay itself that begin like the variables one may refer to.
OURS = ("PATCHBAY_SECRET_KEY", "PATCHBAY_SECRET_KEY_FILE")


class BadReference(Exception):
    """A reference that means nothing, or reaches further than the operator allows; `message` says which."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(str(message))


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a secret is. Nothing of it is secret."""

    uri: str
    kind: str
    path: str
    key: str = ""
    version: str = ""

    @classmethod
    def parse(cls, uri: str) -> Reference:
        """Read a reference; raises BadReference."""
        kind, _, rest = uri.partition(":")
        form = FORMS.get(kind)
        if form is None:
            kinds = ", ".join(f"{name}:" for name in FORMS)
            raise BadReference(Message.of(N_("A reference begins with one of: %(kinds)s"), kinds=kinds))
        match = form.fullmatch(rest) if len(uri) <= LONGEST else None
        if match is None or ".." in rest:
            raise BadReference(Message.of(N_("This is not a reference of the kind %(kind)s."), kind=kind))
        parts = match.groupdict()
        return cls(uri, kind, parts["path"], parts.get("key") or "", parts.get("version") or "")

    def check(self, limits: RefLimits) -> None:
        """Raise BadReference unless the operator lets references reach this."""
        if not _reaches(self, limits):
            text = N_("The operator of Patchbay does not let references reach this.")
            raise BadReference(Message.of(text))


def _reaches(reference: Reference, limits: RefLimits) -> bool:
    path = reference.path
    if reference.kind == "env":
        return path not in OURS
    if reference.kind == "file":
        return limits.file_dir is not None
    if reference.kind == "azure-kv":
        return vault_address(path, limits) is not None
    prefixes = {"vault": limits.vault, "aws-sm": limits.aws_sm, "aws-ssm": limits.aws_ssm}[reference.kind]
    name = path.rpartition(":secret:")[2]
    return any(name == prefix or name.startswith(f"{prefix}/") for prefix in prefixes)


def vault_address(name: str, limits: RefLimits) -> str | None:
    """The address of an Azure vault by its name or host, if it is one of those that are allowed."""
    hosts = {address: urlsplit(address).netloc for address in limits.azure}
    fits = (address for address, host in hosts.items() if name in (host, host.partition(".")[0]))
    return next(fits, None)
