"""Amazon Cognito as moto plays it, in a process and on a socket of its own."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.running import free_port

REGION = "eu-central-1"
PASSWORD = "Correct-horse-7"
START_TIMEOUT_S = 60
# moto believes whoever signs; only the shape is looked at.
AUTHORIZATION = f"AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/cognito-idp/aws4_request, Signature=x"


class Cognito:
    """A user pool with a client."""

    def __init__(self, base_url: str) -> None:
        self._http = httpx.Client(base_url=base_url, timeout=30, trust_env=False)
        self.pool_id: str = self._ask("CreateUserPool", PoolName="crossbook")["UserPool"]["Id"]
        flows = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
        client = self._ask("CreateUserPoolClient", UserPoolId=self.pool_id, ClientName="web", ExplicitAuthFlows=flows)
        self.client_id: str = client["UserPoolClient"]["ClientId"]
        self.issuer = f"https://cognito-idp.{REGION}.amazonaws.com/{self.pool_id}"
        self.jwks_url = f"{base_url}/{self.pool_id}/.well-known/jwks.json"

    def sign_in(self, name: str) -> dict[str, str]:
        """Make a user and sign it in; return the access token, the id token and the others."""
        self._ask("AdminCreateUser", UserPoolId=self.pool_id, Username=name, MessageAction="SUPPRESS")
        self._ask("AdminSetUserPassword", UserPoolId=self.pool_id, Username=name, Password=PASSWORD, Permanent=True)
        parameters = {"USERNAME": name, "PASSWORD": PASSWORD}
        signed_in = self._ask(
            "InitiateAuth", ClientId=self.client_id, AuthFlow="USER_PASSWORD_AUTH", AuthParameters=parameters
        )
        tokens: dict[str, str] = signed_in["AuthenticationResult"]
        return tokens

    def close(self) -> None:
        self._http.close()

    def _ask(self, action: str, **body: Any) -> Any:
        headers = {
            "X-Amz-Target": f"AWSCognitoIdentityProviderService.{action}",
            "Content-Type": "application/x-amz-json-1.1",
            "Authorization": AUTHORIZATION,
        }
        answer = self._http.post("/", json=body, headers=headers)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()


@contextmanager
def running_cognito() -> Iterator[Cognito]:
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline_s = time.monotonic() + START_TIMEOUT_S
            while not _answers(base_url):
                assert process.poll() is None, "moto ended"
                assert time.monotonic() < deadline_s, "moto does not answer"
                time.sleep(0.1)
            cognito = Cognito(base_url)
            yield cognito
            cognito.close()
        finally:
            process.kill()


def _answers(base_url: str) -> bool:
    try:
        return httpx.get(f"{base_url}/moto-api/", timeout=5, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
