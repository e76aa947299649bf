"""What a mail server's refusals mean: step and reply code on the left, our word for them on the right."""

from __future__ import annotations

from adapters.kit.errors import Effect, Forbidden, Misconfigured, Refused, Unavailable
from adapters.kit.rules import Rule, account_rule
from adapters.kit.text import N_

BUSY = Rule(Unavailable, N_("The mail server asks to try again later."))
SIGN_IN = Rule(Misconfigured, N_("The mail server wants a user name and password."), field="username")
TOO_BIG = Rule(Refused, N_("The mail is larger than the mail server accepts."))
POLICY = account_rule(N_("The mail server's policy does not let this mail through."))
NO_TLS = N_("The mail server offers no encryption on this port.")
NO_AUTH = N_("The mail server offers no way to sign in that we know on this connection.")
SMTP_FAULTS = {
    "greeting 4*": BUSY,
    "greeting 5*": account_rule(N_("The mail server does not talk to us.")),
    "tls 4*": BUSY,
    "tls 5*": Rule(Misconfigured, NO_TLS, "TLS_HANDSHAKE_FAILED", Effect.NONE, field="security"),
    "login 4*": BUSY,
    "login 5*": Rule(
        Misconfigured, N_("The mail server does not accept user name and password."), field="password"
    ),
    "login 503*": Rule(Misconfigured, NO_AUTH, field="port"),
    "login 504*": Rule(Misconfigured, NO_AUTH, field="port"),
    "sender 4*": BUSY,
    "sender 5*": Rule(Forbidden, N_("The mail server does not accept the sender."), field="from_address"),
    "sender 530*": SIGN_IN,
    "sender 552*": TOO_BIG,
    "recipient 4*": BUSY,
    "recipient 5*": Rule(Refused, N_("The mail server does not accept the recipient.")),
    "recipient 530*": SIGN_IN,
    "recipient 550 5.7*": POLICY,
    "recipient 554*": POLICY,
    "data 4*": BUSY,
    "data 5*": POLICY,
    "data 552*": TOO_BIG,
}
