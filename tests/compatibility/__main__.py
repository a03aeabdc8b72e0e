"""Write docs/compatibility.md: ``python -m tests.compatibility``, or ``make compatibility``."""

import sys

from tests.compatibility.page import page
from tests.compatibility.tables import PAGE, complaints

if __name__ == "__main__":
    PAGE.write_text(page())
    sys.exit("\n".join(sorted(complaints())) or 0)
