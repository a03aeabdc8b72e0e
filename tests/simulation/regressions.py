"""Seeds that once broke a promise, and what they showed. A seed means the same only while the code asks the same of its
surroundings, so the mishap itself has a test of its own where one can be written; these are run as well.
"""

from typing import Final

REGRESSION_SEEDS: Final[dict[int, str]] = {
    45: "a snapshot held the batch after the one it named: the engine refused its own journal",
    51: "the same, and the engine that had believed it wrote rows that did not replay",
    31050: "the lease changed hands at the instant of the check: a mistake of the checker",
    30773: "a POST outlived the process it had been sent to: a mistake of the simulation",
    8061: "an engine that stood still while it recovered found a later leader's snapshot and took the journal for torn",
    229: "an engine was handed over when all had been called calm: a mistake of the simulation",
}
