"""A run of `datmos score`: from clips to rows on standard output, or in a file that can be gone on with.

With a file, every row is written to ``<file>.partial`` as soon as its clip is scored
(`datmos.scoring.runs.partial`). The file itself is made from it at the end, in the order of the clips. So a run
that is killed loses what was in work and no more.
"""

import sys
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from datmos.core.errors import DatmosError, printable
from datmos.core.paths import local_model
from datmos.scoring.runs.inputs import ListedClip, by_file, find_clips
from datmos.scoring.runs.options import Options, check_aspects, hop_of, score_clips
from datmos.scoring.runs.partial import Partial
from datmos.scoring.runs.real_sound import warning_of
from datmos.scoring.runs.rows import CsvLines, Layout, Row, json_line, write_rows
from datmos.scoring.runs.tally import Tally
from datmos.scoring.scorer import Scorer, load
from datmos.scoring.user_outputs import check_apart, locked, output_file, partial_of


def score_to_stdout(options: Options, kind: str) -> bool:
    """Print rows as they come; returns whether a clip failed."""
    clips = find_clips(options.inputs, _stdin())
    scorer, layout = _prepare(options, clips)
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
    tally = Tally(options.minima)
    watched = sys.stdout.isatty()  # rows show how far it is, and a bar would run into them
    lines = CsvLines(sys.stdout, layout.schema().names, watched) if kind == "csv" else None
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
    """Write a file of rows, whole or not at all; returns whether a clip failed.

    Raises:
        DatmosError: the output is no file, or one of the clips or lists; another run writes it; its folder is moved
            meanwhile; or a run was stopped that is not to be resumed. Else see `find_clips` and
            `datmos.scoring.scorer.load`.
    """
    output = output_file(output)
    partial, lock = Partial(output), output.with_name(f".{output.name}.lock")
    with locked(output, lock) as check_place:  # before the model is loaded, which takes a while
        if partial.path.exists() and not resume:
            raise DatmosError(
                f"{partial.path}: left by a run that was stopped. --resume goes on with it; or delete it to start "
                "anew."
            )
        clips = find_clips(options.inputs, _stdin())
        files = [clip.identity for clip in clips]
        wanted = by_file(clips, files)
        check_apart(output, [*wanted, *options.inputs], local_model(options.model))
        scorer, layout = _prepare(options, clips)
        if resume:
            partial.take(wanted, layout, output, kind)
        todo = [file for file in wanted if file not in partial.places]
        if len(todo) < len(wanted):
            print(f"{len(wanted) - len(todo)} of {len(wanted)} clips were scored before", file=sys.stderr)
        with partial, closing(_rows([wanted[file][0] for file in todo], scorer, layout, options)) as rows:
            for file, row in zip(todo, rows, strict=True):
                partial.add(file, row)
            tally = Tally(options.minima)
            given = (partial.read(file) | {"path": clip.name} for file, clip in zip(files, clips, strict=True))
            check_place()
            write_rows(output, kind, (row for row in given if tally.passes(row)), layout)
        partial.path.unlink(missing_ok=True)
    tally.report()
    return bool(tally.failed)


def interrupted(output: Path | None, shards: bool = False) -> None:
    """Say what is left of a run that was stopped by hand."""
    where = output if shards or output is None else partial_of(output.resolve())
    there = where is not None and where.exists()  # it is not, if no clip was scored yet
    kept = f" What was scored is in {printable(str(where))}: --resume goes on." if there else ""
    print(f"\nstopped.{kept}", file=sys.stderr)


def _stdin() -> BinaryIO | None:
    return None if sys.stdin is None else sys.stdin.buffer  # None: closed


def _prepare(options: Options, clips: list[ListedClip]) -> tuple[Scorer, Layout]:
    scorer = load(options.model, options.device, options.revision, options.trust)
    check_aspects(options.minima, scorer.aspects)
    if (warning := warning_of(scorer, clips)) is not None:
        print(warning, file=sys.stderr)
    return scorer, Layout(scorer, hop_of(options, scorer), options.timeline)


def _rows(
    clips: list[ListedClip], scorer: Scorer, layout: Layout, options: Options, no_bar: bool = False
) -> Generator[Row, None, None]:
    """Score clips and yield their rows in order, with a progress bar if standard error is a terminal."""
    seconds = 0.0
    name = printable(scorer.name)
    bar = tqdm(total=len(clips), desc=f"scoring with {name}", unit="clip", disable=no_bar or None)
    with closing(score_clips(clips, scorer, options)) as found, bar:
        for clip, result in zip(clips, found, strict=True):
            yield layout.row(clip, result)
            seconds += getattr(result, "seconds", 0.0)
            bar.update()
            elapsed = bar.format_dict["elapsed"]
            bar.set_postfix_str(f"{seconds / max(elapsed, 1e-3):.0f} x real time", refresh=False)
