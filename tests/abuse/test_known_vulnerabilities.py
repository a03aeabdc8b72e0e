"""What the check for known vulnerabilities says of what pip-audit found, in pip-audit's own words."""

from typing import Any

import pytest

from tests.known_vulnerabilities import verdict

CLEAN = {"name": "alembic", "version": "1.20", "vulns": []}
SKIPPED = {"name": "anyio", "skip_reason": "Dependency not found on PyPI and could not be audited: anyio (4.16.0)"}
KNOWN = {"name": "jinja2", "version": "2.10", "vulns": [{"id": "PYSEC-2019-217", "fix_versions": ["2.10.1"]}]}


@pytest.mark.parametrize(
    ("packages", "says", "code"),
    [
        (None, "Not checked", 0),
        ([], "Not checked", 0),
        ([SKIPPED, SKIPPED], "Not checked", 0),
        ([CLEAN, SKIPPED], "No known vulnerabilities in 1 packages; 1 could not be looked up", 0),
        ([CLEAN, KNOWN, SKIPPED], "jinja2 2.10: PYSEC-2019-217", 1),
    ],
    ids=["no answer", "nothing", "all skipped", "clean", "known"],
)
def test_nothing_is_called_clean_that_was_not_looked_up(
    packages: list[dict[str, Any]] | None, says: str, code: int
) -> None:
    text, exit_code = verdict(packages)
    assert (says in text, exit_code) == (True, code)
