"""What docs/wallet.md and docs/admin.md tell to paste works, and the role matrix there is the real one."""

import os
import sys
from pathlib import Path

from services.backoffice.roles import MATRIX, Role
from tests.backoffice.people import Town
from tests.backoffice.shell import crossbook_function
from tests.local.test_docs import DOCS, blocks, run


def test_every_example_of_the_wallet(town: Town, tmp_path: Path) -> None:
    user = town.join(USDT="1000")
    environment = os.environ | {
        "CROSSBOOK_URL": town.system.base_url,
        "CROSSBOOK_ACCESS_TOKEN": user.token,
        "PROVIDER_SECRET": town.system.directory.secrets().provider_secret,
        "no_proxy": "127.0.0.1",
        "NO_PROXY": "127.0.0.1",
    }
    run(sys.executable, "-c", "\n".join(blocks("wallet.md", "python")), env=environment, cwd=tmp_path)


def test_every_command_of_the_admin_guide(own_town: Town, tmp_path: Path) -> None:
    with crossbook_function(str(own_town.system.directory.root)) as function:
        script = "\n".join(["set -eu", function, *blocks("admin.md", "sh")])
        run("sh", "-c", script, env=dict(os.environ), cwd=tmp_path)


def test_the_role_matrix_is_the_real_one() -> None:
    text = (DOCS / "admin.md").read_text()
    for action, roles in MATRIX.items():
        cells = " | ".join("yes" if role in roles else "" for role in Role)
        assert f"| `{action.value}` | {cells} |" in text, action
