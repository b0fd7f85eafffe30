"""Scores as rows: what is in one, and the files of rows that `datmos score` writes."""

import csv
import json
from collections.abc import Iterable, Sequence
from itertools import islice
from math import isnan
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from datmos.audio.open_file import file_facts
from datmos.core.aspects import check_aspect_names
from datmos.core.errors import DatmosError, printable
from datmos.core.files import replacing
from datmos.scoring.runs.inputs import ListedClip
from datmos.scoring.score import Failure, Score
from datmos.scoring.scorer import Scorer

DECIMALS = 5  # of rating points
ROW_GROUP = 10_000  # rows written to parquet at once: bounds memory

Row = dict[str, Any]


class Layout:
    """The columns of a run: the same for every clip, scored or not.

    ``path; <aspect>, <aspect>_std`` for every aspect; ``seconds; distance, percentile`` (from the training domain);
    ``band_limit`` (Hz); ``warnings; model, version, hop_s; bytes, modified`` (of the file, UTC); ``error``, and the
    ``timeline`` if it was asked for: a list of ``{second, <aspect>, <aspect>_std, ...}``.
    """

    def __init__(self, scorer: Scorer, hop_seconds: float | None, timeline: bool) -> None:
        """Lay out the rows of a run.

        Raises:
            DatmosError: an aspect of the model has the name of another column.
        """
        try:
            check_aspect_names(scorer.aspects)
        except ValueError as error:
            raise DatmosError(f"{scorer.name}: this model's rows can't be written; {error}") from None
        self.aspects = scorer.aspects
        self.timeline = timeline
        hop = scorer.model.windowing.seconds if hop_seconds is None else hop_seconds
        self.constant: Row = {"model": scorer.name, "version": scorer.version, "hop_s": hop}

    def row(self, clip: ListedClip, result: Score | Failure) -> Row:
        """Return the row of a clip."""
        scored = result if isinstance(result, Score) else None
        row: Row = {"path": clip.name}
        for aspect in self.aspects:
            row[aspect] = None if scored is None else round(scored.mean[aspect], DECIMALS)
            std = float("nan") if scored is None else scored.std[aspect]
            row[f"{aspect}_std"] = None if isnan(std) else round(std, DECIMALS)
        for name in ("seconds", "distance", "percentile", "band_limit"):
            value = None if scored is None else getattr(scored, name)
            row[name] = None if value is None else round(value, DECIMALS)
        row |= {"warnings": [] if scored is None else scored.warnings, **self.constant}
        row |= {"bytes": None, "modified": None} if result.file is None else result.file._asdict()
        row["error"] = result.error if isinstance(result, Failure) else None
        if self.timeline:
            row["timeline"] = None if scored is None else _timeline(scored)
        return row

    def is_current(self, row: Row, clip: ListedClip) -> bool:
        """Tell whether a row read back is what scoring the clip would give: same file, model and settings."""
        facts = file_facts(clip.path)
        return (
            facts is not None
            and row.get("error") is None
            and all(row.get(name) == value for name, value in (self.constant | facts._asdict()).items())
            and (not self.timeline or row.get("timeline") is not None)
        )

    def schema(self) -> pa.Schema:
        """Types of the columns in parquet."""
        scores = [(n, pa.float64()) for aspect in self.aspects for n in (aspect, f"{aspect}_std")]
        facts = [(name, pa.float64()) for name in ("seconds", "distance", "percentile", "band_limit")]
        columns = [
            ("path", pa.string()), *scores, *facts,
            ("warnings", pa.list_(pa.string())), ("model", pa.string()), ("version", pa.string()),
            ("hop_s", pa.float64()), ("bytes", pa.int64()), ("modified", pa.string()), ("error", pa.string()),
        ]  # fmt: skip
        if self.timeline:
            columns.append(("timeline", pa.list_(pa.struct([("second", pa.int64()), *scores]))))
        return pa.schema(columns)


def _timeline(score: Score) -> list[Row]:
    rows = score.per_second().round(DECIMALS).to_dict("records")
    return [{name: None if isnan(value) else value for name, value in row.items()} for row in rows]


def json_line(row: Row) -> str:
    """Return a row as a line of JSON; if it has odd characters (see `printable`), it is escaped to ASCII."""
    line = json.dumps(row, ensure_ascii=False, allow_nan=False)
    return (line if line.isprintable() else json.dumps(row, allow_nan=False)) + "\n"


class CsvLines:
    """Rows as lines of CSV; lists become text: warnings joined by "; ", the time line as JSON."""

    def __init__(self, file: TextIO, columns: Sequence[str], for_terminal: bool = False) -> None:
        self._for_terminal = for_terminal
        self._writer = csv.DictWriter(file, columns, lineterminator="\n")
        self._writer.writeheader()

    def write(self, row: Row) -> None:
        """Write one."""
        flat = row | {"warnings": "; ".join(row["warnings"])}
        if "timeline" in row:
            flat["timeline"] = json.dumps(row["timeline"])
        if self._for_terminal:
            flat = {name: printable(cell) if isinstance(cell, str) else cell for name, cell in flat.items()}
        self._writer.writerow(flat)


def write_rows(path: Path, kind: str, rows: Iterable[Row], layout: Layout) -> None:
    """Write a file of rows, "jsonl", "csv" or "parquet"; whole or not at all, in a memory that does not grow."""
    schema = layout.schema()
    with replacing(path) as temporary:
        if kind == "parquet":
            with pq.ParquetWriter(temporary, schema, compression="zstd", version="2.6") as writer:
                rows = iter(rows)
                while group := list(islice(rows, ROW_GROUP)):
                    plain = [{name: _readable(value) for name, value in row.items()} for row in group]
                    writer.write_table(pa.Table.from_pylist(plain, schema=schema))
            return
        with temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            lines = CsvLines(file, schema.names) if kind == "csv" else None
            for row in rows:
                if lines is None:
                    file.write(json_line(row))
                else:
                    lines.write(row)


def _readable(value: Any) -> Any:
    """Escape the bytes of a text that are not UTF-8, which parquet can't hold."""
    return (
        value
        if not isinstance(value, str)
        else value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    )
