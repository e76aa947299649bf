"""Aliyun's signature equals what its own client computes from the same frozen input."""

from __future__ import annotations

from adapters.kit.signing import acs3_authorization, canonical_query, percent_encode, sha256_hex

PARAMETERS = {
    "PhoneNumbers": "13900000000",
    "SignName": "阿里云短信测试",
    "TemplateCode": "SMS_154950909",
    "TemplateParam": '{"code":"1234"}',
}
MINIMAL = {
    "host": "dysmsapi.aliyuncs.com",
    "x-acs-action": "SendSms",
    "x-acs-version": "2017-05-25",
    "x-acs-date": "2026-01-02T03:04:05Z",
    "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
    "x-acs-content-sha256": sha256_hex(b""),
}
FULL = MINIMAL | {
    "accept": "application/json",
    "user-agent": "AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2",
    "x-acs-credentials-provider": "static_ak",
}


def signature(headers, query):
    value = acs3_authorization(
        method="POST", path="/", query=query, headers=headers, key_id="testid", secret="testsecret"
    )
    return value.rpartition("Signature=")[2]


def test_the_smallest_set_of_headers():
    value = acs3_authorization(
        method="POST",
        path="/",
        query=canonical_query(PARAMETERS),
        headers=MINIMAL,
        key_id="testid",
        secret="testsecret",
    )

    assert value == (
        "ACS3-HMAC-SHA256 Credential=testid,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;"
        "x-acs-signature-nonce;x-acs-version,"
        "Signature=d8d154e4a01048a8fa928277a7ed2d4aed22dc2d0bdec82471cde6b74c76ed3e"
    )


def test_every_header_of_the_official_client():
    expected = "28a95cd2c798a6ca49f1fbf02dd173a548b1ca7fea5983b1522e9f1f6f393720"

    assert signature(FULL, canonical_query(PARAMETERS)) == expected


def test_parameters_in_a_form_body():
    body = canonical_query(PARAMETERS).encode()
    headers = MINIMAL | {
        "content-type": "application/x-www-form-urlencoded",
        "x-acs-content-sha256": sha256_hex(body),
    }

    assert sha256_hex(body) == "5cea088c8468a23877495271157cda4c8e72164653c5aa1709be5ca7ef8d9d8c"
    assert signature(headers, "") == "39db459d38d675e2a8f40a825e6287abbfb30b7e9ed03f0276e7a43493b244a0"


def test_encoding_leaves_only_the_unreserved_characters():
    assert percent_encode("a b*~/é") == "a%20b%2A~%2F%C3%A9"
