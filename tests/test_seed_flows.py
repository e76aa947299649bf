"""The two flows the product was ordered with, step by step, through the public door."""

from __future__ import annotations

import socket

import pytest

from webapp.sandbox import credentials
from webapp.sandbox.server import serve_in_thread


@pytest.fixture
def sandbox():
    server = serve_in_thread()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def api(client, token):
    """Speak to the JSON API with a token that may do everything."""
    headers = token()

    def speak(method, path, body=None, status=200):
        answer = client.open(path, method=method, json=body, headers=headers)
        assert answer.status_code == status, answer.get_data(as_text=True)
        return answer.json

    return speak


def deliveries(sandbox):
    return sandbox.app.test_client().get("/_sandbox/deliveries").json["items"]


def test_an_administrator_adds_tests_and_enables_a_new_sms_service(api, sandbox):
    created = api(
        "POST",
        "/integrations/services",
        {
            "service_name": "阿里云短信服务",
            "service_type": "SMS_PROVIDER_ALIYUN",
            "configurations": {
                "accessKeyId": credentials.ALIYUN_ACCESS_KEY_ID,
                "accessKeySecret": credentials.ALIYUN_ACCESS_KEY_SECRET,
                "signName": credentials.ALIYUN_SIGN,
                "templateCode": credentials.ALIYUN_TEMPLATE,
                "base_url": f"http://127.0.0.1:{sandbox.port}",
            },
            "is_enabled": False,
        },
        status=201,
    )
    address = f"/integrations/services/{created['service_id']}"
    assert created["is_enabled"] is False
    assert "accessKeySecret" not in created["configurations"]
    assert created["secrets"]["accessKeySecret"]["is_set"] is True

    report = api("POST", f"{address}/test-connection")
    assert report["verdict"] == "verified"
    assert deliveries(sandbox) == []

    assert api("POST", f"{address}/enable")["is_enabled"] is True
    sent = api(
        "POST",
        "/integrations/calls",
        {
            "operation": "sms.send",
            "service_type_preference": ["SMS_PROVIDER_ALIYUN"],
            "params": {"to": "13900000000", "template_params": {"code": "1234"}},
        },
    )
    assert sent["outcome"] == "succeeded"
    assert [delivery["to"] for delivery in deliveries(sandbox)] == ["13900000000"]


def test_a_wrong_secret_is_found_by_the_test_with_a_remedy(api, sandbox):
    created = api(
        "POST",
        "/integrations/services",
        {
            "service_name": "阿里云短信服务",
            "service_type": "SMS_PROVIDER_ALIYUN",
            "configurations": {
                "accessKeyId": credentials.ALIYUN_ACCESS_KEY_ID,
                "accessKeySecret": "not-the-secret-of-this-key",
                "signName": credentials.ALIYUN_SIGN,
                "templateCode": credentials.ALIYUN_TEMPLATE,
                "base_url": f"http://127.0.0.1:{sandbox.port}",
            },
        },
        status=201,
    )

    report = api("POST", f"/integrations/services/{created['service_id']}/test-connection")
    assert report["verdict"] == "rejected"
    assert report["stages"][-1]["status"] == "failed"
    assert report["stages"][-1]["remedy"]


def test_the_welcome_mail_goes_out_through_the_backup_when_the_primary_is_closed(api, sandbox):
    primary = mail_service(api, "邮件发送服务-主", f"http://127.0.0.1:{closed_port()}")
    backup = mail_service(api, "邮件发送服务-备", f"http://127.0.0.1:{sandbox.port}")
    for name, member in (("EMAIL_PROVIDER_PRIMARY", primary), ("EMAIL_PROVIDER_BACKUP", backup)):
        api(
            "POST",
            "/integrations/routes",
            {"name": name, "contract": "EMAIL_SERVICE", "members": [member]},
            201,
        )

    sent = api(
        "POST",
        "/integrations/calls",
        {
            "operation": "email.send",
            "service_type_preference": ["EMAIL_PROVIDER_PRIMARY", "EMAIL_PROVIDER_BACKUP"],
            "params": {"to": ["user@example.com"], "subject": "Welcome!", "text": "Hello..."},
            "integration_point": "signup.welcome_mail",
        },
    )

    assert (sent["outcome"], sent["service_id"]) == ("succeeded", backup)
    assert [(mail["to"], mail["text"]) for mail in deliveries(sandbox)] == [("user@example.com", "Hello...")]
    logged = api("GET", "/integrations/logs?integration_point=signup.welcome_mail")["items"]
    newest, *older = logged
    assert (newest["service_id"], newest["is_success"], newest["response_status_code"]) == (backup, True, 202)
    assert older
    assert {(row["service_id"], row["is_success"], row["code"], row["effect"]) for row in older} == {
        (primary, False, "CONNECT_REFUSED", "NONE")
    }
    assert "user@example.com" not in str(logged)


def mail_service(api, name, base_url):
    configurations = {
        "api_key": credentials.SENDGRID_API_KEY,
        "from_email": "no-reply@example.com",
        "base_url": base_url,
    }
    body = {
        "service_name": name,
        "service_type": "EMAIL_PROVIDER_SENDGRID",
        "configurations": configurations,
        "is_enabled": True,
    }
    return api("POST", "/integrations/services", body, 201)["service_id"]


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
