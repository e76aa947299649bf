"""A pretend AWS on this machine: KMS, Secrets Manager and Parameter Store of moto, over HTTP."""

from __future__ import annotations

from typing import Any

import boto3
import requests
from moto.server import ThreadedMotoServer

from webapp.keyconfig import AwsSettings

REGION = "eu-central-1"


class Aws:
    """Starts the server."""

    def __init__(self) -> None:
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.server.start()
        host, port = self.server.get_host_and_port()
        self.url = f"http://{host}:{port}"

    def client(self, service: str) -> Any:
        """A client that may do everything."""
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def make_key(self) -> str:
        """Make a KMS key; answer its id."""
        return str(self.client("kms").create_key()["KeyMetadata"]["KeyId"])

    def settings(self, **changes: Any) -> AwsSettings:
        """Settings for Patchbay."""
        return AwsSettings(**{"region": REGION, "endpoint_url": self.url, **changes})

    def reset(self) -> None:
        """Forget everything."""
        requests.post(f"{self.url}/moto-api/reset", timeout=10)

    def stop(self) -> None:
        """End the server."""
        self.server.stop()
