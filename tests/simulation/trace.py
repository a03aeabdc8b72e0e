"""What happened in a run, as a hash that two runs of one seed must share; the lines themselves only on demand."""

import hashlib


class Trace:
    def __init__(self, *, keep: bool = False) -> None:
        self.lines: list[str] = []
        self._keep = keep
        self._digest = hashlib.sha256()

    def note(self, time_s: float, who: object, what: str) -> None:
        line = f"{time_s:10.6f} {who} {what}\n"
        self._digest.update(line.encode())
        if self._keep:
            self.lines.append(line)

    def hash(self) -> str:
        return self._digest.hexdigest()
