"""What each code means to a person: the page behind every problem, and the words its parts are made of."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from adapters.kit import N_
from webapp.engine.api_codes import API_CODES
from webapp.engine.codes import CODES, Code


class Help(NamedTuple):
    """The meaning in one or two sentences, and keys of EFFECTS, REPEATS and ACTORS."""

    meaning: str
    effect: str
    repeat: str
    actor: str


EFFECTS: Mapping[str, str] = {
    "none": N_("Nothing was sent to the service."),
    "rejected": N_("The service answered, and it certainly did not do it."),
    "unknown": N_("It may have been done, or not: the request had left when it happened."),
    "phase": N_("Nothing was sent, or it may have been done: the call says which."),
}
REPEATS: Mapping[str, str] = {
    "both": N_("Yes: on the same service, then on the next one in the list."),
    "elsewhere": N_("Not on the same service; the next one in the list is asked."),
    "wait": N_("Yes: after the wait the service asks for, or at once on the next one in the list."),
    "careful": N_(
        "Only where it cannot do harm: a read anywhere; a repeatable or keyed request on the same service; "
        "anything else not at all."
    ),
    "later": N_("No. The caller may try again a little later."),
    "stop": N_("No: the same request would end in the same way."),
    "never": N_("Never. The call waits on the reconcile list for the vendor or a person to say what became of it."),
}  # fmt: skip
ACTORS: Mapping[str, str] = {
    "caller": N_("Who calls: the business code, or the program behind the token."),
    "operator": N_("An operator of Patchbay."),
    "administrator": N_("An administrator of Patchbay."),
    "person": N_("The person whose account it is."),
    "vendor": N_("The service's own support, or time."),
    "nobody": N_("Nobody: it passes by itself."),
    "developer": N_("Whoever maintains the adapter or Patchbay."),
}

_CONFIGURATION = {
    "CONFIG_NOT_FOUND": Help(N_("A name in the preference list leads nowhere: no route, service type, contract or service is called so, or what it names has no services."), "none", "elsewhere", "caller"),
    "CONFIG_DISABLED": Help(N_("The service exists and is switched off, so that no call uses it."), "none", "elsewhere", "operator"),
    "CONFIG_INVALID": Help(N_("A required setting is missing, or a stored one no longer fits what the adapter asks for."), "none", "elsewhere", "administrator"),
    "CREDENTIALS_UNREADABLE": Help(N_("The credentials are stored, but they cannot be read: what is stored was changed, or the place they refer to does not hand them out."), "none", "elsewhere", "administrator"),
    "KEY_UNAVAILABLE": Help(N_("The key that opens the credentials is missing, or its provider does not answer or refuses. What is stored is sound; nothing new can be stored meanwhile."), "none", "elsewhere", "administrator"),
    "ADAPTER_MISSING": Help(N_("The service uses an adapter that is not installed here, or that does not load."), "none", "elsewhere", "administrator"),
    "OPERATION_UNSUPPORTED": Help(N_("The service belongs to another contract, or its vendor cannot express what was asked."), "none", "elsewhere", "caller"),
    "EGRESS_BLOCKED": Help(N_("The service's address is private, reserved or otherwise not one this installation may connect to."), "none", "stop", "administrator"),
}  # fmt: skip

_REQUEST = {
    "REQUEST_INVALID": Help(N_("Members of the request are missing, unknown or wrong; each is listed with a pointer to it."), "none", "stop", "caller"),
    "CALLER_FORBIDDEN": Help(N_("Whoever calls may not make this call."), "none", "stop", "administrator"),
    "DUPLICATE_IN_PROGRESS": Help(N_("A call under the same idempotency key has begun and has not ended yet."), "none", "later", "caller"),
    "IDEMPOTENCY_KEY_REUSED": Help(N_("The idempotency key belongs to an earlier call that asked for something else."), "none", "stop", "caller"),
    "CALLER_CANCELLED": Help(N_("Whoever called did not wait for the outcome."), "phase", "stop", "caller"),
    "SHUTTING_DOWN": Help(N_("This process is ending and begins nothing new."), "none", "later", "nobody"),
    "DEADLINE_EXCEEDED": Help(N_("The time the caller gave to the whole call ran out, its waits and every service together."), "phase", "stop", "caller"),
    "NO_PROVIDER_AVAILABLE": Help(N_("Every service in the list had to be left out; the call lists the reason for each."), "none", "later", "operator"),
    "AMBIGUOUS_OUTCOME": Help(N_("The request left, and no answer says what became of it. Sending it again could do it twice, so nothing was sent again."), "unknown", "never", "operator"),
}  # fmt: skip

_GATES = {
    "RATE_LIMITED_LOCAL": Help(N_("More calls a second were asked for than the limit of the service allows."), "none", "elsewhere", "nobody"),
    "QUOTA_EXHAUSTED_LOCAL": Help(N_("The number of calls or the money set aside for this window is used up."), "none", "elsewhere", "operator"),
    "BULKHEAD_FULL": Help(N_("As many calls to this service are under way as one process allows, so that a slow service cannot hold up everything else."), "none", "elsewhere", "nobody"),
    "CIRCUIT_OPEN": Help(N_("The service failed so often that it gets a pause; a few calls will try it again when the pause is over."), "none", "elsewhere", "nobody"),
    "CIRCUIT_FORCED_OPEN": Help(N_("A person took the service out of use; it stays so until that ends or is taken back."), "none", "elsewhere", "operator"),
}  # fmt: skip

_NETWORK = {
    "DNS_FAILURE": Help(N_("The host name has no address, or the resolver did not answer in time."), "none", "both", "operator"),
    "CONNECT_REFUSED": Help(N_("The host answered that nothing listens on this port."), "none", "both", "operator"),
    "CONNECT_UNREACHABLE": Help(N_("The network knows no way to the host, or the connection ended before anything was sent."), "none", "both", "operator"),
    "CONNECT_TIMEOUT": Help(N_("The host did not answer the attempt to connect; often a firewall drops it in silence."), "none", "both", "operator"),
    "TLS_CERT_INVALID": Help(N_("The certificate has expired, belongs to another name, or comes from an authority that is not trusted. Somebody may be listening in."), "none", "elsewhere", "administrator"),
    "TLS_HANDSHAKE_FAILED": Help(N_("The connection stands, yet both sides could not agree on encryption, or the other side does not speak TLS."), "none", "both", "operator"),
    "PROXY_FAILURE": Help(N_("The proxy in between could not be reached or refused to connect."), "none", "both", "operator"),
    "SEND_FAILED": Help(N_("The connection ended while the request was being sent; the service may have read enough of it."), "unknown", "careful", "operator"),
    "CONNECTION_LOST": Help(N_("The request was sent and the connection ended without an answer."), "unknown", "careful", "operator"),
    "READ_TIMEOUT": Help(N_("The request was sent and no complete answer came in the time an attempt may take."), "unknown", "careful", "operator"),
    "RESPONSE_TRUNCATED": Help(N_("The answer ended before it was complete."), "unknown", "careful", "vendor"),
    "MALFORMED_RESPONSE": Help(N_("An answer came that is not what the service documents: broken HTTP, not JSON, or without what it must contain."), "unknown", "careful", "vendor"),
    "RESPONSE_TOO_LARGE": Help(N_("The answer was larger than is read, so reading stopped."), "unknown", "careful", "caller"),
}  # fmt: skip

_VENDOR = {
    "VENDOR_AUTH_REJECTED": Help(N_("The service does not accept the credentials: they are wrong, expired or revoked."), "rejected", "elsewhere", "administrator"),
    "VENDOR_PERMISSION_DENIED": Help(N_("The credentials are accepted, yet they may not do this, or not from this address or sender."), "rejected", "elsewhere", "administrator"),
    "VENDOR_RATE_LIMITED": Help(N_("The service says that it is called too often."), "rejected", "wait", "nobody"),
    "VENDOR_QUOTA_EXHAUSTED": Help(N_("The account at the service has no balance or no quota left."), "rejected", "elsewhere", "administrator"),
    "VENDOR_REJECTED_REQUEST": Help(N_("The service understood the request and does not accept what it asks for."), "rejected", "stop", "caller"),
    "VENDOR_NOT_FOUND": Help(N_("The object or the address that was asked for does not exist at the service."), "rejected", "stop", "caller"),
    "VENDOR_RECIPIENT_BLOCKED": Help(N_("The recipient opted out, is on a list of the service, or the content was moderated."), "rejected", "stop", "caller"),
    "VENDOR_CONFLICT": Help(N_("The request contradicts what the service has stored."), "rejected", "stop", "caller"),
    "VENDOR_IDEMPOTENCY_MISMATCH": Help(N_("The service saw the same idempotency key before, with another request."), "rejected", "stop", "developer"),
    "VENDOR_IDEMPOTENCY_IN_PROGRESS": Help(N_("The service is still carrying out an earlier request under the same key."), "unknown", "careful", "nobody"),
    "VENDOR_UNAVAILABLE": Help(N_("The service says it is not available. Where it names a time to come back it certainly did nothing; otherwise that is not known."), "phase", "careful", "vendor"),
    "VENDOR_SERVER_ERROR": Help(N_("The service failed while it handled the request; what it had done by then is not known."), "unknown", "careful", "vendor"),
    "VENDOR_GATEWAY_TIMEOUT": Help(N_("A gateway in front of the service gave up waiting for it; the service may still have done it."), "unknown", "careful", "vendor"),
    "VENDOR_UNEXPECTED_REDIRECT": Help(N_("The service sends us to another address. Redirects are not followed, because credentials would travel along."), "rejected", "elsewhere", "administrator"),
}  # fmt: skip

_LINKS = {
    "LINK_MISSING": Help(N_("The call is made on behalf of a person who has linked no account at this provider, or who ended the link."), "none", "elsewhere", "person"),
    "LINK_NEEDS_SIGN_IN": Help(N_("The provider has refused the person's token more than once, or it ended and cannot be renewed."), "none", "elsewhere", "person"),
    "LINK_UNAVAILABLE": Help(N_("The person's token has to be renewed, and the provider does not answer or has just refused for the first time. That is no proof that the link was ended."), "none", "elsewhere", "nobody"),
    "GRANT_REFUSED": Help(N_("The provider refuses the code or the refresh token of a person: it was used, has expired or was revoked."), "rejected", "stop", "person"),
}  # fmt: skip

_OWN = {
    "JOB_EXPIRED": Help(N_("The job was not carried out within its lifetime, and it is not begun any more."), "phase", "stop", "caller"),
    "JOB_DEAD": Help(N_("The job used up its executions, or ended its worker again and again."), "phase", "stop", "operator"),
    "JOB_CANCELLED": Help(N_("The job was cancelled before it was carried out."), "phase", "stop", "caller"),
    "STATE_STORE_UNAVAILABLE": Help(N_("Patchbay could not write down what it was about to do, so it did not do it."), "none", "later", "administrator"),
    "ADAPTER_BUG": Help(N_("The adapter raised an error of its own; the cause is in the process log under the id of the attempt."), "phase", "careful", "developer"),
    "INTERNAL_ERROR": Help(N_("Patchbay raised an error of its own; the cause is in the process log."), "phase", "stop", "developer"),
}  # fmt: skip

_API = {
    "MALFORMED_REQUEST": Help(N_("The body is not JSON, not UTF-8, or has one name twice in one object."), "none", "stop", "caller"),
    "UNAUTHENTICATED": Help(N_("The request carries no token, or one that is unknown, expired or revoked."), "none", "stop", "caller"),
    "FORBIDDEN": Help(N_("The token is valid and does not open this; the detail names the scope it lacks."), "none", "stop", "administrator"),
    "NOT_FOUND": Help(N_("Nothing is at this address, or it does not belong to this caller."), "none", "stop", "caller"),
    "METHOD_NOT_ALLOWED": Help(N_("The address exists and does not know this method."), "none", "stop", "caller"),
    "NOT_ACCEPTABLE": Help(N_("The caller accepts only forms of answer that are not offered here."), "none", "stop", "caller"),
    "NAME_TAKEN": Help(N_("Something else is already called so; names are compared without regard to case."), "none", "stop", "caller"),
    "ALREADY_DECIDED": Help(N_("The vendor or a person has said what became of this call of unknown outcome, or it was sent once more."), "none", "stop", "operator"),
    "PARAMS_GONE": Help(N_("A call of unknown outcome cannot be sent once more: its parameters were never kept, because its process died, or cannot be opened."), "none", "stop", "caller"),
    "REPLAY_REFUSED": Help(N_("The call did not fail for certain, was made again before, or its input is not kept; the detail says which."), "none", "stop", "operator"),
    "FILE_CONFLICT": Help(N_("Something in the file was changed in another way since the file was made, so applying it would undo that. Nothing was stored."), "none", "stop", "caller"),
    "STALE_REVISION": Help(N_("What was to be changed has a newer revision than the one the caller read."), "none", "stop", "caller"),
    "TOO_LARGE": Help(N_("The body is larger than is read."), "none", "stop", "caller"),
    "UNSUPPORTED_MEDIA_TYPE": Help(N_("The body is declared as something other than JSON."), "none", "stop", "caller"),
}  # fmt: skip

HELP: Mapping[str, Help] = MappingProxyType(
    _CONFIGURATION | _REQUEST | _GATES | _NETWORK | _VENDOR | _LINKS | _OWN | _API
)
"""The help on every code of a call and of the API."""

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (N_("Configuration"), tuple(_CONFIGURATION)),
    (N_("The request"), tuple(_REQUEST)),
    (N_("Patchbay's own limits"), tuple(_GATES)),
    (N_("The network"), tuple(_NETWORK)),
    (N_("The service's answer"), tuple(_VENDOR)),
    (N_("Linked accounts"), tuple(_LINKS)),
    (N_("Patchbay itself"), tuple(_OWN)),
    (N_("The API"), tuple(_API)),
)
"""The codes in the order of the index, by where they come from."""


def every_code() -> dict[str, Code]:
    """Every documented code, of calls and of the API."""
    return {**CODES, **API_CODES}
