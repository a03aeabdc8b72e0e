"""``python -m deploy.check.snapshots``: write anew what the chart is expected to render."""

from deploy.check.chart import SNAPSHOTS, snapshots
from deploy.check.tools import REPOSITORY


def main() -> None:
    folder = REPOSITORY / SNAPSHOTS
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in snapshots(REPOSITORY).items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main()
