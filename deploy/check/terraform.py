"""Terraform without a cloud: format, validity, tests of the decisions that matter, checkov, and an emulated apply.

The provider is taken from a mirror in the file system where there is one, so that nothing is downloaded: the first
folder found that holds ``registry.terraform.io/hashicorp/aws``, or the one CROSSBOOK_TERRAFORM_MIRROR names.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.check.tools import CHECKOV, MOTO, TERRAFORM, Failed, Missing, environment, run
from tests.running import free_port

MIRROR_VARIABLE: Final = "CROSSBOOK_TERRAFORM_MIRROR"
PROVIDER: Final = Path("registry.terraform.io") / "hashicorp" / "aws"
MIRROR_PARENTS: Final = ("/opt", "/usr/share", "/usr/local/share", "/var/lib", "~/.terraform.d")
TEST_TIMEOUT_S: Final = 300
CHECKOV_TIMEOUT_S: Final = 240
APPLY_TIMEOUT_S: Final = 540
MOTO_START_TIMEOUT_S: Final = 60
# What the emulated account is told; nothing of it exists.
EMULATED: Final = {
    "domain": "exchange.example.com",
    "administrator_arns": ["arn:aws:iam::123456789012:role/operators"],
    "alarm_emails": ["operators@example.com"],
    "github_repository": "example/crossbook",
    "emulated": True,
}
# Of these there must be some in the end; an apply that made nothing would be no proof.
EXPECTED_KINDS: Final = frozenset(
    {
        *("aws_vpc", "aws_subnet", "aws_nat_gateway", "aws_eks_cluster", "aws_eks_node_group", "aws_db_instance"),
        *("aws_ecr_repository", "aws_s3_bucket", "aws_cloudfront_distribution", "aws_sns_topic", "aws_kms_key"),
        *("aws_secretsmanager_secret_version", "aws_cognito_user_pool", "aws_cloudwatch_metric_alarm"),
        *("aws_iam_openid_connect_provider", "aws_acm_certificate", "aws_route53_zone"),
    }
)

_kind: Final = re.compile(r"\b(aws_\w+)\.")


def is_formatted(root: Path) -> str:
    TERRAFORM.run("fmt", "-check", "-diff", "-recursive", root / "terraform")
    return f"{len(list(_folder(root).rglob('*.tf')))} files"


def is_valid(root: Path) -> str:
    """Each environment with all it is made of."""
    environments = sorted((_folder(root) / "environments").iterdir())
    with _initialised(root) as copy:
        for folder in environments:
            where = copy / "environments" / folder.name
            _terraform(where, "init", "-backend=false", "-input=false", "-no-color")
            _terraform(where, "validate", "-no-color")
    return f"{', '.join(folder.name for folder in environments)}"


def passes_its_tests(root: Path) -> str:
    # Modules first: they are quick, and what fails there would fail in every environment.
    found = {path.parents[1] for path in _folder(root).rglob("*.tftest.hcl")}
    folders = sorted(found, key=lambda folder: ("modules" not in folder.parts, folder))
    if not folders:
        raise Failed("terraform/ has no tests")
    runs = 0
    with _initialised(root) as copy:
        for folder in folders:
            where = copy / folder.relative_to(_folder(root))
            _terraform(where, "init", "-backend=false", "-input=false", "-no-color")
            told = _terraform(where, "test", "-no-color", timeout_s=TEST_TIMEOUT_S)
            runs += told.count("... pass") - told.count(".tftest.hcl... pass")
    return f"{runs} runs in {len(folders)} folders"


def satisfies_checkov(root: Path) -> str:
    told = CHECKOV.run(
        *("--directory", "."),
        *("--config-file", "checkov.yaml", "--skip-download", "--output", "json"),
        cwd=_folder(root),
        timeout_s=CHECKOV_TIMEOUT_S,
    )
    passed = json.loads(told)["summary"]["passed"]
    if not passed:
        raise Failed("checkov looked at nothing")
    return f"{passed} checks passed; what is skipped has its reason in terraform/checkov.yaml"


def can_be_applied(root: Path) -> str:
    """Make everything of the dev environment in moto's server, which knows most of AWS' APIs. It takes minutes."""
    with _initialised(root) as copy, _moto() as endpoint:
        where = copy / "environments" / "dev"
        # State goes to a file here.
        versions = where / "versions.tf"
        versions.write_text(_without_backend(versions.read_text()))
        (where / "emulated.auto.tfvars.json").write_text(json.dumps(EMULATED))
        variables = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "emulated",
            "AWS_SECRET_ACCESS_KEY": "emulated",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        _terraform(where, "init", "-input=false", "-no-color")
        arguments = ("apply", "-auto-approve", "-input=false", "-no-color", "-parallelism=6")
        _terraform(where, *arguments, timeout_s=APPLY_TIMEOUT_S, variables=variables)
        made = [name for name in _terraform(where, "state", "list").splitlines() if ".data." not in name]
    kinds = {kind for name in made for kind in _kind.findall(name)}
    if EXPECTED_KINDS - kinds:
        raise Failed(f"nothing was made of {', '.join(sorted(EXPECTED_KINDS - kinds))}")
    emulator = run((Path(MOTO.path()).with_name("python"), "-c", "import moto; print(moto.__version__)")).strip()
    return f"moto {emulator}: {len(made)} resources of {len(kinds)} kinds were made"


def _folder(root: Path) -> Path:
    return root / "terraform"


def mirror() -> Path | None:
    named = os.environ.get(MIRROR_VARIABLE)
    parents = [Path(named)] if named else [Path(name).expanduser() for name in MIRROR_PARENTS]
    for parent in parents:
        for candidate in (parent, *sorted(parent.glob("*/"))):
            if (candidate / PROVIDER).is_dir():
                return candidate
    return None


@contextmanager
def _initialised(root: Path) -> Iterator[Path]:
    """A copy of terraform/ to run in, with a configuration that finds the provider; yields the copy."""
    found = mirror()
    if found is None:
        raise Missing(f"there is no mirror of the AWS provider ({MIRROR_VARIABLE} names one)")
    with tempfile.TemporaryDirectory() as name:
        configuration = Path(name) / "terraform.rc"
        configuration.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{found}"\n  }}\n}}\n')
        copy = Path(name) / "terraform"
        shutil.copytree(_folder(root), copy, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        yield copy


def _terraform(where: Path, *arguments: str, timeout_s: float = 120, variables: dict[str, str] | None = None) -> str:
    # Beside the copy: see _initialised.
    top = next(parent for parent in where.parents if (parent / "terraform.rc").exists())
    told = {"TF_CLI_CONFIG_FILE": str(top / "terraform.rc"), "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
    return TERRAFORM.run(*arguments, cwd=where, timeout_s=timeout_s, variables={**told, **(variables or {})})


def _without_backend(text: str) -> str:
    head, _, rest = text.partition('  backend "s3" {\n')
    return head + rest.partition("  }\n")[2]


@contextmanager
def _moto() -> Iterator[str]:
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        (MOTO.path(), "-p", str(port)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment({"MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}),
    )
    try:
        deadline_s = time.monotonic() + MOTO_START_TIMEOUT_S
        while not _answers(f"{endpoint}/moto-api/"):
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise Failed("moto's server did not start")
            time.sleep(0.1)
        yield endpoint
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False
