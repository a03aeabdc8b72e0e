"""Write docs/cost.md anew: ``python -m deploy.cost``."""

from deploy.cost.page import PAGE, page
from deploy.cost.table import read_plan, read_prices


def main() -> None:
    PAGE.write_text(page(read_plan(), read_prices()))


if __name__ == "__main__":
    main()
