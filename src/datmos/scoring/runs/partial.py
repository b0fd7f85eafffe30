"""Rows on disk while a run goes on: what `datmos score --resume` finds after a run was stopped."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from datmos.core.files import replacing
from datmos.scoring.runs.inputs import ListedClip
from datmos.scoring.runs.previous_rows import FILE, current_rows
from datmos.scoring.runs.rows import Layout, Row, json_line
from datmos.scoring.user_outputs import own_file, partial_of


class Partial:
    """Rows by the clip's identity, JSON lines whatever the format of the output; memory holds their places alone.

    Attributes:
        path: of the file.
        places: in it, in bytes, by identity (`ListedClip.identity`).
    """

    def __init__(self, output: Path) -> None:
        """Find the place of an output's rows.

        Raises:
            DatmosError: something is there that is no file of datmos.
        """
        self.path = own_file(partial_of(output))
        self.places: dict[str, int] = {}

    def take(self, clips: Mapping[str, Sequence[ListedClip]], layout: Layout, output: Path, kind: str) -> None:
        """Keep the current rows of a run that was stopped, and of a finished one.

        ``clips``: those of the run, by identity.
        """
        with replacing(self.path) as fresh, fresh.open("wb") as file:
            for path, own_kind in ((self.path, "jsonl"), (output, kind)):
                if not path.is_file():
                    continue
                for identity, row in current_rows(path, own_kind, clips, layout):
                    if identity not in self.places:
                        self.places[identity] = file.tell()
                        file.write(_encoded(identity, row))

    def __enter__(self) -> "Partial":
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.fdopen(os.open(self.path, flags, 0o666), "ab+")
        return self

    def __exit__(self, *error: object) -> None:
        empty = not self._file.seek(0, 2)
        self._file.close()
        if empty:  # nothing in it that could be gone on with
            self.path.unlink(missing_ok=True)

    def add(self, identity: str, row: Row) -> None:
        """Write a row, at once."""
        self._file.seek(0, 2)
        self.places[identity] = self._file.tell()
        self._file.write(_encoded(identity, row))
        self._file.flush()

    def read(self, identity: str) -> Row:
        """Read the row of a clip."""
        self._file.seek(self.places[identity])
        row: Row = json.loads(self._file.readline())
        del row[FILE]
        return row


def _encoded(identity: str, row: Row) -> bytes:
    return json_line({FILE: identity} | row).encode()
