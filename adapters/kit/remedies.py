"""What a person can do about each code, and which step of a check it belongs to."""

from __future__ import annotations

from adapters.kit.text import N_

STAGE_OF = {
    "EGRESS_BLOCKED": "dns",
    "DNS_FAILURE": "dns",
    "CONNECT_REFUSED": "tcp",
    "CONNECT_TIMEOUT": "tcp",
    "CONNECT_UNREACHABLE": "tcp",
    "TLS_CERT_INVALID": "tls",
    "TLS_HANDSHAKE_FAILED": "tls",
    "VENDOR_AUTH_REJECTED": "authentication",
    "VENDOR_PERMISSION_DENIED": "permission",
    "VENDOR_QUOTA_EXHAUSTED": "quota",
}

REMEDIES = {
    "EGRESS_BLOCKED": N_(
        "Use a public address, or ask whoever runs this installation to add the destination to PATCHBAY_EGRESS_ALLOW."
    ),
    "DNS_FAILURE": N_("Check the spelling of the host name, and that this machine can resolve names."),
    "CONNECT_REFUSED": N_("Check host and port, and that the server is running."),
    "CONNECT_TIMEOUT": N_("Check host and port, and that no firewall stands in between."),
    "CONNECT_UNREACHABLE": N_("Check host and port, and that this machine has a route to it."),
    "TLS_CERT_INVALID": N_(
        "Renew the server's certificate, use the name it was issued for, or give the certificate of your own authority."
    ),
    "TLS_HANDSHAKE_FAILED": N_("Check that this port expects encryption from the first byte."),
    "READ_TIMEOUT": N_("Try again; if it stays slow, raise the timeout or ask the vendor."),
    "DEADLINE_EXCEEDED": N_("Try again; if it stays slow, raise the timeout or ask the vendor."),
    "CONNECTION_LOST": N_("Try again; if it happens again, ask the vendor."),
    "MALFORMED_RESPONSE": N_(
        "Check the base address: what answers there does not speak this vendor's language."
    ),
    "RESPONSE_TRUNCATED": N_("Try again; if it happens again, ask the vendor."),
    "RESPONSE_TOO_LARGE": N_(
        "Check the base address: what answers there does not speak this vendor's language."
    ),
    "VENDOR_UNEXPECTED_REDIRECT": N_(
        "Check the base address: the server sends us elsewhere, and we do not follow."
    ),
    "VENDOR_AUTH_REJECTED": N_("Enter the credentials again, and check that they have not been revoked."),
    "VENDOR_PERMISSION_DENIED": N_("Give these credentials the missing permission in the vendor's console."),
    "VENDOR_QUOTA_EXHAUSTED": N_("Top up the balance or raise the quota in the vendor's console."),
    "VENDOR_RATE_LIMITED": N_("Wait a moment and try again."),
    "VENDOR_NOT_FOUND": N_("Check the base address and the identifiers in the settings."),
    "VENDOR_REJECTED_REQUEST": N_("Check the settings against the vendor's console."),
    "VENDOR_UNAVAILABLE": N_("The vendor is down; look at its status page and try again later."),
    "VENDOR_SERVER_ERROR": N_("The vendor has a fault; look at its status page and try again later."),
    "VENDOR_GATEWAY_TIMEOUT": N_("The vendor has a fault; look at its status page and try again later."),
}
