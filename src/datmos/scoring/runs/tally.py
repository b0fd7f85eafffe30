"""What became of the clips of a run."""

import sys

from datmos.core.errors import listing, printable
from datmos.scoring.runs.rows import Row


class Tally:
    """Counts what became of the clips, and says so."""

    def __init__(self, minima: dict[str, float]) -> None:
        self._minima = minima
        self.scored = self.passed = 0
        self.failed: list[str] = []

    def passes(self, row: Row) -> bool:
        """Count a row; tell whether it is to be given: with minima, only a clip known to reach them."""
        if row["error"] is not None:
            self.failed.append(printable(f"{row['path']}: {row['error']}"))
            return not self._minima
        self.scored += 1
        passes = all(row[aspect] >= value for aspect, value in self._minima.items())
        self.passed += passes
        return passes

    def report(self) -> None:
        """Print the counts, and what failed, to standard error."""
        text = f"{self.scored} clip{'' if self.scored == 1 else 's'} scored"
        if self._minima:
            text += f", {self.passed} with at least {', '.join(f'{a} {v:g}' for a, v in self._minima.items())}"
        if self.failed:
            text += f", {len(self.failed)} failed:\n  {listing(self.failed, chr(10) + '  ')}"
        print(text, file=sys.stderr)
