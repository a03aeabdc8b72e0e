"""Amazon's SES and SNS as moto serves them, and as they are when nobody answers."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import msgspec
import pytest

from services.infra.postgres import Connection
from services.notifier.channels.amazon import SnsTexter
from services.notifier.channels.outcome import Failed
from tests.running import free_port, wait_until

from .conftest import Auth, Configure, Serve, eventually
from .journal import append, deposit

REGION = "us-east-1"


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """The URL of a server that behaves as Amazon's."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        (sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: _answers(f"{url}/moto-api/"), 60)
        yield url
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def amazon(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An Amazon that is empty, and credentials for it."""
    httpx.post(f"{moto}/moto-api/reset", trust_env=False).raise_for_status()
    for name, value in {
        "AWS_ENDPOINT_URL": moto,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    yield moto


def client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)  # type: ignore[call-overload]


async def test_mail_sms_and_topic(
    configure: Configure, serve: Serve, auth: Auth, database: Connection, amazon: str
) -> None:
    client("sesv2").create_email_identity(EmailIdentity="exchange.example")
    arn = client("sns").create_topic(Name="notices")["TopicArn"]
    queue_url = client("sqs").create_queue(QueueName="listener")["QueueUrl"]
    queue_arn = client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]
    client("sns").subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn["QueueArn"])
    settings = configure(
        email_by="ses",
        sms_by="sns",
        sns_topic_arn=arn,
        email_from="Crossbook <no-reply@exchange.example>",
        attempt_timeout_s=20,
    )
    async with serve(settings):
        ada = await auth.join("ada@example.com")
        await database.execute(
            "INSERT INTO notifier.phones (account_id, number, confirmed_at) VALUES ($1, '+493012345678', now())",
            ada.account_id,
        )
        await database.execute("INSERT INTO notifier.preferences VALUES ($1, 'DEPOSIT', 'SMS', true)", ada.account_id)
        await eventually(lambda: database.fetchval("SELECT count(*) FROM notifier.journal_position"))
        await append(database, deposit(ada.account_id))
        await eventually(
            lambda: database.fetchval("SELECT count(*) = 3 AND bool_and(state = 'SENT') FROM notifier.deliveries")
        )
    messages = client("sqs").receive_message(QueueUrl=queue_url)["Messages"]
    published = msgspec.json.decode(msgspec.json.decode(messages[0]["Body"])["Message"])
    assert (published["kind"], published["accountId"]) == ("DEPOSIT", ada.account_id)
    assert client("ses").get_send_quota()["SentLast24Hours"] >= 1


async def test_a_sender_that_was_not_verified_is_an_operators_matter(
    configure: Configure, serve: Serve, auth: Auth, database: Connection, amazon: str
) -> None:
    settings = configure(email_by="ses", email_from="Crossbook <no-reply@unknown.example>", attempt_timeout_s=20)
    async with serve(settings):
        ada = await auth.join("ada@example.com")
        await auth.tell(ada.account_id, "PASSWORD_CHANGED")
        await eventually(lambda: database.fetchval("SELECT state = 'PARKED' FROM notifier.deliveries"))
    error = await database.fetchval("SELECT last_error FROM notifier.deliveries")
    assert error.startswith("Amazon answered ")
    assert "ada" not in error


async def test_an_amazon_that_hangs_gives_its_threads_back(
    configure: Configure, auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        texter = SnsTexter(configure(attempt_timeout_s=0.4, lane_width=1))
        for _ in range(2):
            with pytest.raises(Failed, match="ReadTimeoutError"):
                await texter.send("+493012345678", "hello")
        await texter.close()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
