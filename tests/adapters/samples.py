"""Settings and parameters that fit each adapter and each operation; secrets are canaries."""

from __future__ import annotations

SETTINGS = {
    "EMAIL_PROVIDER_SENDGRID": {
        "api_key": "SG.canary-api-key",
        "from_email": "no-reply@example.com",
        "from_name": "Example",
        "region": "eu",
        "sandbox": True,
        "base_url": "https://sendgrid.example.com",
    },
    "EMAIL_PROVIDER_SMTP": {
        "host": "smtp.example.com",
        "port": 465,
        "security": "tls",
        "username": "mailer@example.com",
        "password": "canary-password",
        "from_address": "no-reply@example.com",
        "from_name": "Example",
    },
    "HTTP_PROVIDER_GENERIC": {
        "base_url": "https://api.example.com/v1",
        "auth": "header",
        "key_name": "X-Api-Key",
        "secret": "canary-secret",
        "health_path": "/health",
    },
    "OAUTH_PROVIDER_DINGTALK": {"client_id": "patchbay", "client_secret": "canary-client-secret"},
    "OAUTH_PROVIDER_ENTRA": {
        "client_id": "patchbay",
        "client_secret": "canary-client-secret",
        "tenant": "organizations",
    },
    "OAUTH_PROVIDER_FEISHU": {
        "client_id": "patchbay",
        "client_secret": "canary-client-secret",
        "region": "lark",
    },
    "OAUTH_PROVIDER_GITHUB": {"client_id": "patchbay", "client_secret": "canary-client-secret"},
    "OAUTH_PROVIDER_GOOGLE": {"client_id": "patchbay", "client_secret": "canary-client-secret"},
    "OAUTH_PROVIDER_OIDC": {
        "client_id": "patchbay",
        "client_secret": "canary-client-secret",
        "issuer": "https://id.example.com",
        "scopes": "openid email",
    },
    "OAUTH_PROVIDER_WECHAT": {"client_id": "patchbay", "client_secret": "canary-client-secret"},
    "OAUTH_PROVIDER_WECOM": {
        "client_id": "patchbay",
        "client_secret": "canary-client-secret",
        "agent_id": "1000002",
    },
    "SMS_PROVIDER_ALIYUN": {
        "accessKeyId": "LTAIexample",
        "accessKeySecret": "canary-access-key-secret",
        "signName": "阿里云短信测试",
        "templateCode": "SMS_154950909",
        "regionId": "cn-hangzhou",
        "securityToken": "canary-security-token",
        "base_url": "https://aliyun.example.com",
    },
    "SMS_PROVIDER_TWILIO": {
        "account_sid": "AC" + "0a" * 16,
        "auth_token": "canary-auth-token",
        "from": "+15550001111",
        "status_callback": "https://example.com/callback",
        "base_url": "https://twilio.example.com",
    },
}

PARAMS = {
    "email.send": {"to": "lin@example.com", "subject": "Welcome!", "text": "Hello…"},
    "sms.send": {"to": "+8613900000000", "template": "HX1", "template_params": {"code": "1234"}},
    "oauth.userinfo": {},
    "oauth.request": {"path": "/v1/items"},
    "http.request": {"method": "POST", "path": "/items", "json": {"a": 1}},
}
