"""The promises hold under every seed, and a seed says the same every time.

CROSSBOOK_SEEDS sets how many are run (``make simulate`` runs 10,000 and every step to die at).
"""

import os
import subprocess
import sys

import pytest

from tests.simulation.faults import Weather
from tests.simulation.regressions import REGRESSION_SEEDS
from tests.simulation.run import Kill, Outcome, run_seed

SEEDS = int(os.environ.get("CROSSBOOK_SEEDS", "1000"))
PORTIONS = 10
# Every how many steps of an engine's and a gateway's life are tried as their last.
STRIDE = int(os.environ.get("CROSSBOOK_SIMULATION_STRIDE", "41"))
# So that each run tries others than the last one did.
FIRST_SEED = 10_000


def again(outcome: Outcome) -> str:
    return f"python -m tests.simulation --seed {outcome.seed} --trace"


@pytest.mark.parametrize("portion", range(PORTIONS))
def test_the_promises_hold(portion: int) -> None:
    told: set[str] = set()
    for seed in range(portion, SEEDS, PORTIONS):
        outcome = run_seed(seed)
        assert not outcome.broken, f"seed {seed}: {outcome.broken}; {again(outcome)}"
        told |= outcome.told.keys()
    assert SEEDS < 100 or told == {"applied", "refused", "not done", "unknown"}


@pytest.mark.parametrize("seed", REGRESSION_SEEDS)
def test_what_once_broke_holds(seed: int) -> None:
    outcome = run_seed(seed)
    assert not outcome.broken, f"{REGRESSION_SEEDS[seed]}: {outcome.broken}"


@pytest.mark.parametrize("name", ["engine-0", "engine-1", "trading-0"])
def test_a_process_may_die_at_any_step(name: str) -> None:
    """Nothing else goes wrong; the process ends before its n-th step, which is to say at any of its awaits."""
    calm = run_seed(FIRST_SEED, weather=Weather())
    assert not calm.broken
    assert "unknown" not in calm.told
    for step in range(0, calm.engine_steps, STRIDE):
        outcome = run_seed(FIRST_SEED, weather=Weather(), kill=Kill(name, step))
        assert not outcome.broken, f"{name} killed before step {step}: {outcome.broken}"


def test_a_seed_says_the_same_in_every_process() -> None:
    """Byte for byte, whatever the hashes of strings are."""
    first = run_seed(7)
    assert run_seed(7) == first
    assert run_seed(8).trace_hash != first.trace_hash
    program = "from tests.simulation.run import run_seed; print(run_seed(7).trace_hash)"
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    elsewhere = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert elsewhere.stdout.strip() == first.trace_hash
