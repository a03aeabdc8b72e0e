"""The web page's headers are said in one place and copied to where Terraform finds them."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SAID = REPOSITORY / "web" / "security-headers.json"
COPIED = REPOSITORY / "terraform" / "exchange" / "security-headers.json"


def test_terraform_says_the_same_headers() -> None:
    assert COPIED.read_text() == SAID.read_text(), "cp web/security-headers.json terraform/exchange/"
