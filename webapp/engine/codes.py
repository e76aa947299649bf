"""Every way a call can end badly: one stable code each, with its HTTP status, title and remedy."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from adapters.kit import N_


class Code(NamedTuple):
    """What a code means to the caller: HTTP status, a constant title, what to do, and whether again may help."""

    status: int
    title: str
    remedy: str
    retryable: bool = False


_CHECK_NETWORK = N_("Check the address, the network and the firewall between Patchbay and the service.")
_CHECK_LOG = N_("Open the call in the log to see what the service answered, then correct the request.")
_CHECK_VENDOR = N_("Wait a moment and try again; if it stays, look at the status page of the service.")
_DECIDE = N_("Ask the service whether it was done before you send it again; it may have been.")

_CONFIGURATION = {
    "CONFIG_NOT_FOUND": Code(
        404,
        N_("No such service or route"),
        N_("Use the name of a route, a service type, a contract or the id of a service."),
    ),
    "CONFIG_DISABLED": Code(
        409, N_("The service is disabled"), N_("Enable the service, or name another one.")
    ),
    "CONFIG_INVALID": Code(
        503,
        N_("The settings of the service are not valid"),
        N_("Open the service and correct the settings it complains about."),
    ),
    "CREDENTIALS_UNREADABLE": Code(
        503,
        N_("The stored credentials cannot be read"),
        N_("See the System page for the missing key, or enter the credentials again."),
    ),
    "KEY_UNAVAILABLE": Code(
        503,
        N_("The key for the credentials is not available"),
        N_("See the System page: bring the key back, or wait until its provider answers again."),
        retryable=True,
    ),
    "ADAPTER_MISSING": Code(
        501,
        N_("The adapter is not available"),
        N_("Install the package the catalogue names for this adapter."),
    ),
    "OPERATION_UNSUPPORTED": Code(
        501,
        N_("The service does not offer this operation"),
        N_("Name a service whose contract has the operation."),
    ),
    "EGRESS_BLOCKED": Code(
        403,
        N_("The address is blocked by the network policy"),
        N_("Use a public address, or allow this one in PATCHBAY_EGRESS_ALLOW."),
    ),
}

_REQUEST = {
    "REQUEST_INVALID": Code(422, N_("The request is not valid"), N_("Correct the members that are listed.")),
    "CALLER_FORBIDDEN": Code(403, N_("Not permitted"), N_("Ask an administrator for the permission.")),
    "DUPLICATE_IN_PROGRESS": Code(
        409,
        N_("The same call is still running"),
        N_("Wait for it to end, then ask again with the same key."),
        retryable=True,
    ),
    "IDEMPOTENCY_KEY_REUSED": Code(
        422, N_("The idempotency key belongs to another request"), N_("Use a new key for every new request.")
    ),
    "CALLER_CANCELLED": Code(499, N_("The caller went away"), N_("Look the call up before you repeat it.")),
    "SHUTTING_DOWN": Code(503, N_("Patchbay is shutting down"), N_("Try again in a moment."), retryable=True),
    "DEADLINE_EXCEEDED": Code(
        504,
        N_("The time for the call ran out"),
        N_("Give the call more time, or look at why the service is slow."),
        retryable=True,
    ),
    "NO_PROVIDER_AVAILABLE": Code(
        503,
        N_("No service could take the call"),
        N_("The reason for each candidate is listed; enable or repair one of them."),
        retryable=True,
    ),
    "AMBIGUOUS_OUTCOME": Code(502, N_("It is not known whether it was done"), _DECIDE),
}

_GATES = {
    "RATE_LIMITED_LOCAL": Code(
        429,
        N_("The limit set for the service is reached"),
        N_("Wait, or raise the limit of the service."),
        retryable=True,
    ),
    "QUOTA_EXHAUSTED_LOCAL": Code(
        429,
        N_("The quota set for the service is used up"),
        N_("Wait for the next window, or raise the quota."),
    ),
    "BULKHEAD_FULL": Code(
        503, N_("Too many calls to the service are running"), N_("Try again in a moment."), retryable=True
    ),
    "CIRCUIT_OPEN": Code(
        503,
        N_("The service failed too often and is being left alone"),
        N_("It is tried again by itself; see its health."),
        retryable=True,
    ),
    "CIRCUIT_FORCED_OPEN": Code(
        503,
        N_("The service was taken out of use by an operator"),
        N_("See who did it and why on the page of the service."),
        retryable=True,
    ),
}

_NETWORK = {
    "DNS_FAILURE": Code(
        502,
        N_("The host name could not be resolved"),
        N_("Check the host name and the resolver."),
        retryable=True,
    ),
    "CONNECT_REFUSED": Code(502, N_("The connection was refused"), _CHECK_NETWORK, retryable=True),
    "CONNECT_UNREACHABLE": Code(502, N_("The host cannot be reached"), _CHECK_NETWORK, retryable=True),
    "CONNECT_TIMEOUT": Code(
        504, N_("The connection was not answered in time"), _CHECK_NETWORK, retryable=True
    ),
    "TLS_CERT_INVALID": Code(
        502,
        N_("The certificate is not valid"),
        N_("Check the host name, the expiry and the authority of the certificate."),
    ),
    "TLS_HANDSHAKE_FAILED": Code(
        502,
        N_("The TLS handshake failed"),
        N_("Check that the port speaks TLS and a version that is still allowed."),
        retryable=True,
    ),
    "PROXY_FAILURE": Code(
        502, N_("The proxy failed"), N_("Check the proxy and its credentials."), retryable=True
    ),
    "SEND_FAILED": Code(502, N_("The request could not be sent completely"), _DECIDE),
    "CONNECTION_LOST": Code(502, N_("The connection was lost before the answer came"), _DECIDE),
    "READ_TIMEOUT": Code(504, N_("The answer did not come in time"), _DECIDE),
    "RESPONSE_TRUNCATED": Code(502, N_("The answer was cut short"), _DECIDE),
    "MALFORMED_RESPONSE": Code(502, N_("The answer could not be understood"), _DECIDE),
    "RESPONSE_TOO_LARGE": Code(
        502, N_("The answer was too large"), N_("Ask the service for less at a time.")
    ),
}

_VENDOR = {
    "VENDOR_AUTH_REJECTED": Code(
        502,
        N_("The service refused the credentials"),
        N_("Enter the current credentials and test the service."),
    ),
    "VENDOR_PERMISSION_DENIED": Code(
        502,
        N_("The credentials may not do this"),
        N_("Give the key the permission in the console of the service."),
    ),
    "VENDOR_RATE_LIMITED": Code(
        429,
        N_("The service limits how often it may be called"),
        N_("Wait as long as the service asks, or raise the limit there."),
        retryable=True,
    ),
    "VENDOR_QUOTA_EXHAUSTED": Code(
        503,
        N_("The balance or quota at the service is used up"),
        N_("Top up the account or raise its quota."),
    ),
    "VENDOR_REJECTED_REQUEST": Code(422, N_("The service rejected the request"), _CHECK_LOG),
    "VENDOR_NOT_FOUND": Code(404, N_("The service does not know this object"), _CHECK_LOG),
    "VENDOR_RECIPIENT_BLOCKED": Code(
        422,
        N_("The service does not deliver to this recipient"),
        N_("The recipient opted out or is blocked; do not send again."),
    ),
    "VENDOR_CONFLICT": Code(409, N_("The service reports a conflict"), _CHECK_LOG),
    "VENDOR_IDEMPOTENCY_MISMATCH": Code(409, N_("The service saw this key with another request"), _CHECK_LOG),
    "VENDOR_IDEMPOTENCY_IN_PROGRESS": Code(
        409, N_("The service is still busy with the same request"), _DECIDE, retryable=True
    ),
    "VENDOR_UNAVAILABLE": Code(503, N_("The service is not available"), _CHECK_VENDOR, retryable=True),
    "VENDOR_SERVER_ERROR": Code(502, N_("The service failed"), _CHECK_VENDOR),
    "VENDOR_GATEWAY_TIMEOUT": Code(
        504, N_("The service did not answer its own gateway in time"), _CHECK_VENDOR
    ),
    "VENDOR_UNEXPECTED_REDIRECT": Code(
        502, N_("The service redirects to another address"), N_("Check the base address of the service.")
    ),
}

_LINKS = {
    "LINK_MISSING": Code(
        409,
        N_("The person has linked no account there"),
        N_("Ask the person to link an account on their page."),
    ),
    "LINK_NEEDS_SIGN_IN": Code(
        409,
        N_("The person has to sign in at the provider again"),
        N_("Ask the person to reconnect the account on their page."),
    ),
    "LINK_UNAVAILABLE": Code(
        503,
        N_("The provider does not renew the token now"),
        N_("Wait a moment and try again; the link itself is not in doubt."),
        retryable=True,
    ),
    "GRANT_REFUSED": Code(
        409,
        N_("The provider does not accept the grant any more"),
        N_("Ask the person to reconnect the account on their page."),
    ),
}

_OWN = {
    "JOB_EXPIRED": Code(410, N_("The job expired"), N_("Submit it again if it is still wanted.")),
    "JOB_DEAD": Code(
        500, N_("The job was given up"), N_("See its attempts, repair the cause, then start it again.")
    ),
    "JOB_CANCELLED": Code(409, N_("The job was cancelled"), N_("Submit it again if it is still wanted.")),
    "STATE_STORE_UNAVAILABLE": Code(
        503,
        N_("The store of Patchbay cannot be written"),
        N_("Nothing was sent. Check the database, then try again."),
        retryable=True,
    ),
    "ADAPTER_BUG": Code(500, N_("The adapter made a mistake"), N_("Report it with the id of the call.")),
    "INTERNAL_ERROR": Code(500, N_("Patchbay made a mistake"), N_("Report it with the id of the call.")),
}

CODES: Mapping[str, Code] = MappingProxyType(
    _CONFIGURATION | _REQUEST | _GATES | _NETWORK | _VENDOR | _LINKS | _OWN
)
"""Every documented code. A code that is missing here is shown as INTERNAL_ERROR."""


def code_of(name: str) -> Code:
    """The meaning of a code; a code nobody documented counts as our own mistake."""
    return CODES.get(name, CODES["INTERNAL_ERROR"])
