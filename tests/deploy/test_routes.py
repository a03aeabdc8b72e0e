"""The route table is strict, and what is made from it says the same."""

from pathlib import Path

import pytest

from deploy.check import kong_file
from deploy.check.check import Check, run_checks
from deploy.check.tools import REPOSITORY, Failed, Missing, Tool
from deploy.routes.__main__ import main
from deploy.routes.table import TABLE, RouteError, read


def changed(folder: Path, right: str, wrong: str) -> Path:
    """A copy of the table with one mistake in it."""
    text = (REPOSITORY / TABLE).read_text()
    assert right in text
    (folder / TABLE).parent.mkdir(parents=True)
    (folder / TABLE).write_text(text.replace(right, wrong, 1))
    return folder


def test_what_is_made_from_the_table_is_up_to_date() -> None:
    assert main(["--check"]) == 0
    assert "as the table says" in kong_file.is_made_from_the_table(REPOSITORY)
    assert "services" in kong_file.is_valid(REPOSITORY)


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("bearer = true", "baerer = true", "baerer"),
        ('upstream = "auth"', 'upstream = "engine"', "engine"),
        ('"/auth/v1"', '"/auth/v1/"', "whole segments"),
        ('"/auth/v1"', '"/api/v3"', "there twice"),
        ("burst = 400", "burst = 4", "fewer"),
        ("body_kib = 64", "body_kib = 0", "body_kib"),
        ("bearer = true\noperators_only", "operators_only", "for operators"),
    ],
)
def test_a_mistake_in_the_table_is_an_error(tmp_path: Path, right: str, wrong: str, told: str) -> None:
    with pytest.raises(RouteError, match=told):
        read(changed(tmp_path, right, wrong))


def test_a_change_of_the_table_alone_is_noticed(tmp_path: Path) -> None:
    root = changed(tmp_path, "body_kib = 16", "body_kib = 17")
    with pytest.raises(Failed, match="make routes"):
        kong_file.is_made_from_the_table(root)
    assert main(["--root", str(root)]) == 0
    assert kong_file.is_made_from_the_table(root)
    assert "allowed_payload_size: 17" in (root / "kong" / "kong.yml").read_text()


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("limit_by: ip", "limit_by: adress", "limit_by"),
        ("policy: redis", "polcy: redis", "polcy"),
        ("- /auth/v1/", "- /internal/", "internal"),
        ("name: rest\n", "name: auth\n", "twice"),
        ("- name: request-size-limiting", "- name: request-size-limit", "plugins"),
    ],
)
def test_a_mistake_in_kongs_file_is_found(tmp_path: Path, right: str, wrong: str, told: str) -> None:
    text = (REPOSITORY / "kong" / "kong.yml").read_text()
    assert right in text
    (tmp_path / "kong").mkdir()
    (tmp_path / "kong" / "kong.yml").write_text(text.replace(right, wrong, 1))
    with pytest.raises(Failed, match=told):
        kong_file.is_valid(tmp_path)


def test_every_outcome_of_a_check_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(_root: Path) -> str:
        raise Failed("two\nlines")

    def misses(_root: Path) -> str:
        raise Missing("no such thing here")

    def breaks(_root: Path) -> str:
        raise ValueError("a bug in the check")

    assert run_checks([Check("good", (), 1, lambda _: "seen")], REPOSITORY)
    unheard_of = Tool("crossbook-no-such-program")
    checks = [Check(run.__name__, (), 1, run) for run in (fails, misses, breaks)]
    assert not run_checks([*checks, Check("tool", (unheard_of,), 1, fails)], REPOSITORY)
    printed = capsys.readouterr().out
    assert "      two\n      lines" in printed
    assert "no such thing here" in printed
    assert "a bug in the check" in printed
    assert "crossbook-no-such-program is not installed (make deploy-tools)" in printed
    assert printed.endswith("0 passed, 2 failed, 2 skipped\n")
