"""A run of `datmos score`: from clips to rows on standard output, or in a file that can be gone on with.

With a file, every row is written to ``<file>.partial`` as soon as its clip is scored (JSON lines, whatever the
format); the file itself is made from it at the end, in the order of the clips. So a run that is killed loses what
was in work and no more.
"""

import json
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from os import fsync
from pathlib import Path

from tqdm import tqdm

from datmos.core.errors import DatmosError
from datmos.scoring.inputs import ListedClip, find_clips
from datmos.scoring.options import Options, check_aspects, hop_of
from datmos.scoring.rows import CsvLines, Layout, Row, json_line, read_rows, write_rows
from datmos.scoring.scorer import Scorer, load
from datmos.scoring.tally import Tally


def score_to_stdout(options: Options, kind: str) -> bool:
    """Print rows as they come; returns whether a clip failed."""
    clips, scorer, layout = _prepare(options)
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
    tally = Tally(options.minima)
    lines = CsvLines(sys.stdout, layout.schema().names) if kind == "csv" else None
    watched = sys.stdout.isatty()  # rows show how far it is, and a bar would run into them
    with closing(_rows(clips, scorer, layout, options, no_bar=watched)) as rows:
        for row in rows:
            if not tally.passes(row):
                continue
            if lines is None:
                sys.stdout.write(json_line(row))
            else:
                lines.write(row)
            sys.stdout.flush()
    tally.report()
    return bool(tally.failed)


def score_to_file(options: Options, kind: str, output: Path, resume: bool) -> bool:
    """Write a file of rows, whole or not at all; returns whether a clip failed."""
    clips, scorer, layout = _prepare(options)
    partial = Partial(output)
    if partial.path.exists() and not resume:
        raise DatmosError(
            f"{partial.path}: left by a run that was stopped. --resume goes on with it; or delete it to start anew."
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    wanted = {clip.name: clip for clip in clips}
    if resume:
        partial.take(wanted, layout, read_rows(output, kind) if output.is_file() else ())
    todo = [clip for name, clip in wanted.items() if name not in partial.places]
    if len(todo) < len(wanted):
        print(f"{len(wanted) - len(todo)} of {len(wanted)} clips were scored before", file=sys.stderr)
    with partial, closing(_rows(todo, scorer, layout, options)) as rows:
        for row in rows:
            partial.add(row)
        tally = Tally(options.minima)
        write_rows(output, kind, (row for clip in clips if tally.passes(row := partial.read(clip.name))), layout)
    partial.path.unlink()
    tally.report()
    return bool(tally.failed)


def interrupted(output: Path | None, shards: bool = False) -> None:
    """Say what is left of a run that was stopped by hand."""
    where = output if shards or output is None else Partial(output).path
    kept = "" if output is None else f" What was scored is in {where}: --resume goes on."
    print(f"\nstopped.{kept}", file=sys.stderr)


class Partial:
    """Rows on disk while a run goes on, found by the clip's name; memory holds their places alone."""

    def __init__(self, output: Path) -> None:
        self.path = output.with_name(f"{output.name}.partial")
        self.places: dict[str, int] = {}

    def take(self, wanted: dict[str, ListedClip], layout: Layout, finished: Iterable[Row]) -> None:
        """Keep the current rows of a run that was stopped, and of a finished one."""
        found: Iterator[Row] = (row for rows in (self._rows(), finished) for row in rows)
        fresh = self.path.with_name(f"{self.path.name}.new")
        with fresh.open("wb") as file:
            for row in found:
                name = row["path"]
                if name in wanted and name not in self.places and layout.is_current(row, wanted[name]):
                    self.places[name] = file.tell()
                    file.write(_encoded(row))
            file.flush()
            fsync(file.fileno())
        fresh.replace(self.path)

    def __enter__(self) -> "Partial":
        self._file = self.path.open("ab+")
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def add(self, row: Row) -> None:
        """Write a row, at once."""
        self._file.seek(0, 2)
        self.places[row["path"]] = self._file.tell()
        self._file.write(_encoded(row))
        self._file.flush()

    def read(self, name: str) -> Row:
        """Read the row of a clip."""
        self._file.seek(self.places[name])
        return _decoded(self._file.readline())

    def _rows(self) -> Iterator[Row]:
        if self.path.is_file():
            yield from read_rows(self.path, "jsonl")


def _encoded(row: Row) -> bytes:
    return json_line(row).encode()


def _decoded(line: bytes) -> Row:
    row: Row = json.loads(line)
    return row


def _prepare(options: Options) -> tuple[list[ListedClip], Scorer, Layout]:
    clips = find_clips(options.inputs, sys.stdin)
    scorer = load(options.model, options.device, options.revision)
    check_aspects(options.minima, scorer.aspects)
    return clips, scorer, Layout(scorer, hop_of(options, scorer), options.timeline)


def _rows(
    clips: list[ListedClip], scorer: Scorer, layout: Layout, options: Options, no_bar: bool = False
) -> Generator[Row, None, None]:
    """Score clips and yield their rows in order, with a progress bar if standard error is a terminal."""
    seconds = 0.0
    scored = scorer.stream(
        (clip.path for clip in clips),
        hop_seconds=layout.constant["hop_s"],
        workers=options.workers,
        batch_seconds=options.batch_seconds,
    )
    bar = tqdm(total=len(clips), desc=f"scoring with {scorer.name}", unit="clip", disable=no_bar or None)
    with closing(scored), bar:
        for clip, result in zip(clips, scored, strict=True):
            yield layout.row(clip, result)
            seconds += getattr(result, "seconds", 0.0)
            bar.update()
            elapsed = bar.format_dict["elapsed"]
            bar.set_postfix_str(f"{seconds / max(elapsed, 1e-3):.0f} x real time", refresh=False)
