"""A sign-in provider for tests: a real server on this machine that signs real identity tokens."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from urllib.parse import parse_qs, urlsplit

from flask import Flask, request
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from werkzeug.serving import make_server

CLIENT_ID, CLIENT_SECRET = "patch bay", "s3cret/with:signs"


def part(value):
    """One part of a token, unsigned."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


class Provider:
    """Knows one person at a time; `claims`, `header` and `key` may be bent to lie."""

    def __init__(self, clock):
        self.clock = clock
        self.key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
        self.published = [self.key]
        self.person = {"sub": "42", "email": "lin@example.com", "email_verified": True, "name": "Lin"}
        self.bent: dict = {}
        self.header = {"alg": "RS256", "kid": "one"}
        self.codes: dict = {}
        self.status = 200
        self.requests: list[str] = []
        app = Flask("idp")
        app.add_url_rule("/.well-known/openid-configuration", view_func=self.describe)
        app.add_url_rule("/keys", view_func=self.keys)
        app.add_url_rule("/token", view_func=self.token, methods=["POST"])
        self.server = make_server("127.0.0.1", 0, app, threaded=True)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def describe(self):
        self.requests.append("describe")
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }

    def keys(self):
        self.requests.append("keys")
        return {"keys": [key.as_dict(private=False) for key in self.published]}

    def authorize(self, location):
        """What a browser does at the provider: agree, and come back with a code."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return f"{urlsplit(asked['redirect_uri']).path}?code={code}&state={asked['state']}&iss={self.issuer}"

    def token(self):
        asked = self.codes.pop(request.form["code"], None)
        proof = base64.b64encode(b"patch%20bay:s3cret%2Fwith%3Asigns").decode()
        challenge = hashlib.sha256(request.form["code_verifier"].encode()).digest()
        fits = asked and asked["code_challenge"] == base64.urlsafe_b64encode(challenge).rstrip(b"=").decode()
        if not fits or request.headers["Authorization"] != f"Basic {proof}" or self.status != 200:
            return {"error": "invalid_grant"}, 400
        now = int(self.clock.now().timestamp())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        if asked.get("max_age") == "0":
            claims["auth_time"] = now
        claims = {
            name: value for name, value in (claims | self.person | self.bent).items() if value is not None
        }
        return {"id_token": self.sign(claims), "token_type": "Bearer", "access_token": "x"}

    def sign(self, claims):
        if self.header["alg"] == "none":
            return f"{part(self.header)}.{part(claims)}."
        key = OctKey.import_key(CLIENT_SECRET) if self.header["alg"].startswith("HS") else self.key
        return jwt.encode(self.header, claims, key)
