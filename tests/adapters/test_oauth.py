"""What is special about each provider of accounts, answered as its documentation says."""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import responses
from joserfc import jwt
from joserfc.jwk import RSAKey
from pydantic import SecretStr

from adapters.kit import Catalog, EgressPolicy, Fault, FixedClock, Wire, oidc, run_check, verdict
from adapters.kit.accounts import Ask, Code, Nothing, Release, Renewal
from adapters.kit.behalf import Behalf
from tests.adapters.samples import SETTINGS
from tests.peers.oidc_provider import CLIENT_ID, CLIENT_SECRET

CATALOG = Catalog(group=None)
ASK = Ask("https://pb.example/back", "the-state", "the-nonce", "v" * 43)
CODE = Code("the-code", "https://pb.example/back", "the-nonce", "v" * 43)
NAMES = ["DINGTALK", "ENTRA", "FEISHU", "GITHUB", "GOOGLE", "WECHAT", "WECOM"]


@pytest.fixture
def vendor():
    """The provider, at the HTTP edge."""
    oidc.forget()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock
    oidc.forget()


def adapter(name, *, behalf=None, **changes):
    cls = CATALOG.get(f"OAUTH_PROVIDER_{name}").adapter
    wire = Wire.for_call(EgressPolicy(), clock=FixedClock())
    wire.behalf = behalf
    return cls(cls.Config.parse(SETTINGS[cls.service_type] | changes), wire)


def query(address):
    return dict(parse_qsl(urlsplit(address).query))


def form(mock, place=-1):
    body = mock.calls[place].request.body
    return {
        name: values[0]
        for name, values in parse_qs(body.decode() if isinstance(body, bytes) else body).items()
    }


def sent(mock, place=-1):
    return json.loads(mock.calls[place].request.body)


def fault(work):
    with pytest.raises(Fault) as caught:
        work()
    return caught.value


@pytest.mark.parametrize("name", NAMES)
def test_the_way_there_carries_state_and_address(name):
    asked = query(adapter(name).begin(ASK))

    assert asked["state"] == "the-state"
    assert asked["redirect_uri"] == "https://pb.example/back"
    assert (asked.get("client_id") or asked["appid"]) == "patchbay"
    knows_pkce = name not in {"WECHAT", "WECOM", "DINGTALK"}
    assert (asked.get("code_challenge_method") == "S256") is knows_pkce
    assert "v" * 43 not in str(asked)


@pytest.mark.parametrize("name", NAMES)
def test_every_permission_it_asks_for_has_plain_words(name):
    cls = CATALOG.get(f"OAUTH_PROVIDER_{name}").adapter

    assert [scope for scope in cls.scopes_of({}) if scope not in cls.scope_words] == []


def test_google_is_asked_for_a_refresh_token(vendor):
    asked = query(adapter("GOOGLE").begin(ASK))
    assert (asked["access_type"], asked["prompt"], asked["nonce"]) == ("offline", "consent", "the-nonce")


KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})


def identity(clock, **claims):
    now = int(clock.now().timestamp())
    claims = {"aud": "patchbay", "sub": "42", "nonce": "the-nonce", "iat": now, "exp": now + 600} | claims
    return jwt.encode({"alg": "RS256", "kid": "one"}, claims, KEY)


def test_google_proves_who_it_is_by_a_signed_token(vendor):
    google = adapter("GOOGLE")
    token = identity(google.wire.clock, iss="https://accounts.google.com", email="lin@gmail.example")
    vendor.get("https://www.googleapis.com/oauth2/v3/certs", json={"keys": [KEY.as_dict(private=False)]})
    vendor.post(
        "https://oauth2.googleapis.com/token",
        json={
            "access_token": "a",
            "refresh_token": "r",
            "expires_in": 3599,
            "id_token": token,
            "scope": "openid email",
        },
    )
    grant = google.link(CODE)

    assert (grant.account.account_id, grant.account.label) == ("42", "lin@gmail.example")
    assert (grant.refresh_token, grant.expires_in, grant.scopes) == ("r", 3599, ("openid", "email"))
    assert form(vendor, 0) == {
        "grant_type": "authorization_code", "code": "the-code", "redirect_uri": "https://pb.example/back",
        "code_verifier": "v" * 43, "client_id": "patchbay", "client_secret": "canary-client-secret",
    }  # fmt: skip


@pytest.mark.parametrize(
    "lie",
    [
        {"nonce": "another"},
        {"aud": "another"},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"aud": ["patchbay", "x"], "azp": "x"},
    ],
    ids=["nonce", "audience", "issuer", "expired", "for another"],
)
def test_a_token_that_was_not_made_for_this_is_refused(vendor, lie):
    google = adapter("GOOGLE")
    token = identity(google.wire.clock, **{"iss": "https://accounts.google.com"} | lie)
    vendor.get("https://www.googleapis.com/oauth2/v3/certs", json={"keys": [KEY.as_dict(private=False)]})
    vendor.post("https://oauth2.googleapis.com/token", json={"access_token": "a", "id_token": token})

    assert fault(lambda: google.link(CODE)).vendor_code == oidc.ID_TOKEN


def test_of_many_tenants_the_issuer_is_that_of_the_person(vendor):
    entra = adapter("ENTRA")
    base = "https://login.microsoftonline.com"
    vendor.get(
        f"{base}/organizations/v2.0/.well-known/openid-configuration",
        json={
            "issuer": f"{base}/{{tenantid}}/v2.0", "jwks_uri": f"{base}/keys", "authorization_endpoint": "https://x.example",
            "token_endpoint": "https://x.example",
        },
    )  # fmt: skip
    vendor.get(f"{base}/keys", json={"keys": [KEY.as_dict(private=False)]})
    clock = entra.wire.clock
    good = identity(clock, iss=f"{base}/t1/v2.0", tid="t1", preferred_username="lin@work.example")
    mixed = identity(clock, iss=f"{base}/t1/v2.0", tid="t2")
    address = f"{base}/organizations/oauth2/v2.0/token"
    vendor.post(address, json={"access_token": "a", "id_token": good})
    vendor.post(address, json={"access_token": "a", "id_token": mixed})

    assert entra.link(CODE).account.label == "lin@work.example"
    assert fault(lambda: entra.link(CODE)).vendor_code == oidc.ID_TOKEN


def test_github_says_no_with_http_200(vendor):
    vendor.post("https://github.com/login/oauth/access_token", json={"error": "bad_verification_code"})
    assert fault(lambda: adapter("GITHUB").link(CODE)).code == "GRANT_REFUSED"

    vendor.replace(
        responses.POST,
        "https://github.com/login/oauth/access_token",
        json={"error": "incorrect_client_credentials"},
    )
    assert fault(lambda: adapter("GITHUB").link(CODE)).code == "VENDOR_AUTH_REJECTED"


def test_github_knows_accounts_by_number_and_ends_the_whole_grant(vendor):
    vendor.post(
        "https://github.com/login/oauth/access_token",
        json={"access_token": "gho_x", "scope": "read:user,user:email"},
    )
    vendor.get("https://api.github.com/user", json={"id": 7, "login": "lin", "name": "Lin", "email": None})
    vendor.delete("https://api.github.com/applications/patchbay/grant", status=204)
    grant = adapter("GITHUB").link(CODE)
    adapter("GITHUB").revoke(Release("gho_x"))

    assert (grant.account.account_id, grant.account.label) == ("7", "lin")
    assert (grant.expires_in, grant.refresh_token, grant.scopes) == (None, None, ("read:user", "user:email"))
    assert vendor.calls[0].request.headers["Accept"] == "application/json"
    pair = base64.b64encode(b"patchbay:canary-client-secret").decode()
    assert vendor.calls[-1].request.headers["Authorization"] == f"Basic {pair}"
    assert sent(vendor) == {"access_token": "gho_x"}


def test_wechat_has_names_of_its_own(vendor):
    vendor.get(
        "https://api.weixin.qq.com/sns/oauth2/access_token",
        json={
            "access_token": "a",
            "expires_in": 7200,
            "refresh_token": "r",
            "openid": "o1",
            "scope": "snsapi_login",
        },
    )
    vendor.get("https://api.weixin.qq.com/sns/userinfo", json={"openid": "o1", "nickname": "小林"})
    vendor.get(
        "https://api.weixin.qq.com/sns/oauth2/refresh_token",
        json={"access_token": "b", "expires_in": 7200, "openid": "o1"},
    )
    wechat = adapter("WECHAT")
    grant = wechat.link(CODE)
    renewed = wechat.refresh(Renewal("r"))

    assert wechat.begin(ASK).endswith("#wechat_redirect")
    assert (grant.account.account_id, grant.account.label) == ("o1", "小林")
    asked = query(vendor.calls[0].request.url)
    assert (asked["appid"], asked["secret"], asked["code"]) == (
        "patchbay",
        "canary-client-secret",
        "the-code",
    )
    assert (renewed.access_token, renewed.refresh_token) == ("b", "r")


@pytest.mark.parametrize(
    ("errcode", "code"),
    [
        (40029, "GRANT_REFUSED"),
        (40163, "GRANT_REFUSED"),
        (40125, "VENDOR_AUTH_REJECTED"),
        (-1, "VENDOR_UNAVAILABLE"),
        (99, "VENDOR_REJECTED_REQUEST"),
    ],
)
def test_wechat_says_no_with_http_200(vendor, errcode, code):
    vendor.get("https://api.weixin.qq.com/sns/oauth2/access_token", json={"errcode": errcode, "errmsg": "no"})
    vendor.get(
        "https://api.weixin.qq.com/sns/oauth2/refresh_token", json={"errcode": errcode, "errmsg": "no"}
    )

    assert fault(lambda: adapter("WECHAT").link(CODE)).code == code
    assert fault(lambda: adapter("WECHAT").refresh(Renewal("r"))).code == code


def test_wecom_knows_who_it_is_and_has_no_tokens_of_persons(vendor):
    api = "https://qyapi.weixin.qq.com/cgi-bin"
    vendor.get(f"{api}/gettoken", json={"errcode": 0, "access_token": "company", "expires_in": 7200})
    vendor.get(f"{api}/auth/getuserinfo", json={"errcode": 0, "userid": "lin"})
    vendor.get(f"{api}/user/get", json={"errcode": 0, "userid": "lin", "name": "林"})
    grant = adapter("WECOM").link(CODE)
    account = adapter("WECOM", behalf=Behalf(SecretStr(""), "lin")).userinfo(Nothing())

    assert (grant.access_token, grant.refresh_token, grant.account.account_id) == ("", None, "lin")
    assert account.label == "林"


def test_wecom_is_proven_by_the_token_of_the_company(vendor):
    vendor.get(
        "https://qyapi.weixin.qq.com/cgi-bin/gettoken", json={"errcode": 40013, "errmsg": "invalid corpid"}
    )
    assert fault(lambda: list(adapter("WECOM").check())).code == "VENDOR_AUTH_REJECTED"


def test_dingtalk_speaks_json_and_has_a_header_of_its_own(vendor):
    vendor.post(
        "https://api.dingtalk.com/v1.0/oauth2/userAccessToken",
        json={"accessToken": "a", "refreshToken": "r", "expireIn": 7200},
    )
    vendor.get(
        "https://api.dingtalk.com/v1.0/contact/users/me",
        json={"unionId": "u1", "nick": "林", "mobile": "13900000000"},
    )
    grant = adapter("DINGTALK").link(CODE)

    assert (grant.account.account_id, grant.account.label, grant.expires_in) == ("u1", "林", 7200)
    assert sent(vendor, 0)["grantType"] == "authorization_code"
    assert vendor.calls[1].request.headers["x-acs-dingtalk-access-token"] == "a"
    assert "mobile" not in grant.account.claims


def test_dingtalk_names_the_client_or_the_code(vendor):
    address = "https://api.dingtalk.com/v1.0/oauth2/userAccessToken"
    vendor.post(address, status=400, json={"code": "invalidRefreshToken", "message": "no"})
    assert fault(lambda: adapter("DINGTALK").refresh(Renewal("r"))).code == "GRANT_REFUSED"
    vendor.replace(responses.POST, address, status=400, json={"code": "invalidClientIdOrSecret"})
    assert fault(lambda: adapter("DINGTALK").refresh(Renewal("r"))).code == "VENDOR_AUTH_REJECTED"


def test_feishu_and_lark_are_two_places(vendor):
    vendor.post(
        "https://open.larksuite.com/open-apis/authen/v2/oauth/token",
        json={
            "code": 0,
            "access_token": "a",
            "refresh_token": "r",
            "expires_in": 7200,
            "refresh_token_expires_in": 604800,
        },
    )
    vendor.get(
        "https://open.larksuite.com/open-apis/authen/v1/user_info",
        json={"code": 0, "data": {"union_id": "u1", "name": "Lin"}},
    )
    grant = adapter("FEISHU").link(CODE)

    assert (grant.account.account_id, grant.refresh_expires_in) == ("u1", 604800)
    assert sent(vendor, 0)["code_verifier"] == "v" * 43
    assert "accounts.feishu.cn" in adapter("FEISHU", region="feishu").begin(ASK)


def test_feishu_refuses_with_numbers(vendor):
    address = "https://open.larksuite.com/open-apis/authen/v2/oauth/token"
    vendor.post(address, status=400, json={"code": 20064, "error": "invalid_grant"})
    assert fault(lambda: adapter("FEISHU").refresh(Renewal("r"))).code == "GRANT_REFUSED"
    vendor.replace(responses.POST, address, status=400, json={"code": 20002, "error": "invalid_client"})
    assert fault(lambda: adapter("FEISHU").refresh(Renewal("r"))).code == "VENDOR_AUTH_REJECTED"


@pytest.mark.parametrize("name", ["ENTRA", "FEISHU", "DINGTALK", "WECHAT"])
def test_where_nothing_can_be_revoked_it_says_so(name):
    assert fault(lambda: adapter(name).revoke(Release("a", "r"))).code == "OPERATION_UNSUPPORTED"


@pytest.mark.parametrize("name", NAMES)
def test_no_fault_repeats_a_secret(vendor, name):
    """Whatever the provider sends back."""
    said = {"error": "no", "error_description": "canary-client-secret the-code", "code": "no", "errcode": 1}
    for method in (responses.GET, responses.POST):
        vendor.add(method, re.compile(".*"), json=said, status=400)
    found = fault(lambda: adapter(name).link(CODE))

    assert "canary" not in f"{found} {vars(found)}"


def checked(oidc_provider, **changes):
    cls = CATALOG.get("OAUTH_PROVIDER_OIDC").adapter
    values = {
        "issuer": oidc_provider.issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    } | changes
    stages = list(run_check(cls(cls.Config.parse(values), Wire.for_check(EgressPolicy.parse("127.0.0.0/8")))))
    return verdict(stages), [stage.name for stage in stages if stage.status == "ok"], stages[-1]


def test_a_test_proves_discovery_keys_and_client(oidc_provider):
    found, proven, _ = checked(oidc_provider)

    assert found == "verified"
    assert proven == ["settings", "dns", "tcp", "discovery", "keys", "authentication"]


def test_a_test_disproves_a_wrong_secret(oidc_provider):
    found, proven, last = checked(oidc_provider, client_secret="another secret")

    assert (found, last.name, last.code) == ("rejected", "authentication", "VENDOR_AUTH_REJECTED")
    assert proven[-1] == "keys"


def test_a_test_compares_the_issuer_to_the_letter(oidc_provider):
    found, _, last = checked(oidc_provider, issuer=f"{oidc_provider.issuer}/")

    assert (found, last.field) == ("failed", "issuer")


@pytest.mark.parametrize(("path", "kind"), [("/jwks", "500"), ("/token", "503"), ("/token", "garbage")])
def test_a_test_never_turns_an_outage_green(oidc_provider, path, kind):
    oidc_provider.disturb(path, kind, times=3)

    assert checked(oidc_provider)[0] == "failed"


def test_a_test_says_when_nothing_is_proven(oidc_provider):
    oidc_provider.disturb("/token", "400", body={"error": "invalid_request"})

    assert checked(oidc_provider)[0] == "unverifiable"
