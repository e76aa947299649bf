"""Which names of fields say that their value is a secret or personal."""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import lru_cache


class Kind(Enum):
    """What a field holds, judged by its name."""

    PLAIN = auto()
    SECRET = auto()
    PERSONAL = auto()


_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEPARATORS = re.compile(r"[\W_]+", re.ASCII)

# Telling wherever they stand in a name, written without separators.
_TELLING = (
    "password", "passwd", "passphrase", "passcode", "secret", "token", "apikey", "accesskey", "authorization",
    "credential", "privatekey", "signature", "session", "cookie", "cardnumber", "idcard", "webhookurl",
    "connectionstring", "encodingaeskey", "mchkey", "密码", "密钥", "令牌", "身份证",
)  # fmt: skip
# Telling only as a whole word: "pin" is in "shipping", "auth" in "author".
_WORDS = frozenset(
    ("pass", "pwd", "auth", "sign", "cvv", "cvc", "pin", "otp", "dsn", "proxy", "jwt", "bearer")
)
_PERSONAL = ("mobile", "phone", "手机号")
# Names that look telling and are not; the seed's signName must stay readable.
_INNOCENT = frozenset(
    [
        "tokentype",
        "expiresin",
        "author",
        "maxtokens",
        "nextpagetoken",
        "pagetoken",
        "signname",
        "tokens",
        "totaltokens",
        "prompttokens",
        "completiontokens",
        "inputtokens",
        "outputtokens",
        "signaturemethod",
        "signatureversion",
        "signaturenonce",
    ]
)


@lru_cache(maxsize=4096)
def kind_of(name: str) -> Kind:
    """Judge a name of a field, a header or a query parameter; case and separators do not count."""
    words = [word.lower() for word in _SEPARATORS.split(_CAMEL.sub("_", name[:200])) if word]
    joined = "".join(words)
    chinese = name[:200]
    if joined in _INNOCENT:
        return Kind.PLAIN
    if _WORDS.intersection(words) or any(part in joined or part in chinese for part in _TELLING):
        return Kind.SECRET
    return Kind.PERSONAL if any(part in joined or part in chinese for part in _PERSONAL) else Kind.PLAIN
