"""Scores as rows: what is in one, and the files of rows that `datmos score` reads and writes."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from math import isnan
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from datmos.core.files import replacing
from datmos.scoring.inputs import ListedClip
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
        row |= {"warnings": [] if scored is None else scored.warnings, **self.constant, **file_facts(clip.path)}
        row["error"] = result.error if isinstance(result, Failure) else None
        if self.timeline:
            row["timeline"] = None if scored is None else _timeline(scored)
        return row

    def is_current(self, row: Row, clip: ListedClip) -> bool:
        """Tell whether a row read back is what scoring the clip would give: same file, model and settings."""
        wanted = self.constant | file_facts(clip.path)
        return (
            row.get("error") is None
            and all(row.get(name) == value for name, value in wanted.items())
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


def file_facts(path: Path) -> Row:
    """Size and time of the last change of a file; None if it is not there."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return {"bytes": None, "modified": None}
    modified = datetime.fromtimestamp(found.st_mtime_ns // 1000 / 1e6, UTC)
    return {"bytes": found.st_size, "modified": modified.isoformat()}


def _timeline(score: Score) -> list[Row]:
    rows = score.per_second().round(DECIMALS).to_dict("records")
    return [{name: None if isnan(value) else value for name, value in row.items()} for row in rows]


def json_line(row: Row) -> str:
    """Return a row as a line of JSON; in names that are not UTF-8 the odd bytes are escaped as lone surrogates."""
    return json.dumps(row, ensure_ascii=_is_odd(row["path"]), allow_nan=False) + "\n"


def _is_odd(name: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in name)


class CsvLines:
    """Rows as lines of CSV; lists become text: warnings joined by "; ", the time line as JSON."""

    def __init__(self, file: TextIO, columns: Sequence[str]) -> None:
        self._writer = csv.DictWriter(file, columns, lineterminator="\n")
        self._writer.writeheader()

    def write(self, row: Row) -> None:
        """Write one."""
        flat = row | {"warnings": "; ".join(row["warnings"])}
        if "timeline" in row:
            flat["timeline"] = json.dumps(row["timeline"])
        self._writer.writerow(flat)


def write_rows(path: Path, kind: str, rows: Iterable[Row], layout: Layout) -> None:
    """Write a file of rows, "jsonl", "csv" or "parquet"; whole or not at all, in a memory that does not grow."""
    schema = layout.schema()
    with replacing(path) as temporary:
        if kind == "parquet":
            with pq.ParquetWriter(temporary, schema, compression="zstd", version="2.6") as writer:
                rows = iter(rows)
                while group := list(islice(rows, ROW_GROUP)):
                    plain = [row | {"path": _readable(row["path"])} for row in group]
                    writer.write_table(pa.Table.from_pylist(plain, schema=schema))
            return
        with temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            lines = CsvLines(file, schema.names) if kind == "csv" else None
            for row in rows:
                if lines is None:
                    file.write(json_line(row))
                else:
                    lines.write(row)


def _readable(name: str) -> str:
    """Escape the bytes of a name that are not UTF-8, which parquet can't hold."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def read_rows(path: Path, kind: str) -> Iterator[Row]:
    """Read what `write_rows` wrote, or as much of it as is whole (JSON lines that were cut off are left out)."""
    if kind == "parquet":
        with pq.ParquetFile(path) as file:
            for group in file.iter_batches(ROW_GROUP):
                yield from group.to_pylist()
        return
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        if kind == "csv":
            yield from (_from_csv(row) for row in csv.DictReader(file))
            return
        for line in file:
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict) and "path" in row:
                yield row


def _from_csv(cells: dict[str, str]) -> Row:
    row: Row = {}
    for name, cell in cells.items():
        if name in ("path", "model", "version", "modified", "error"):
            row[name] = cell or None
        elif name == "warnings":
            row[name] = cell.split("; ") if cell else []
        elif name == "timeline":
            row[name] = json.loads(cell or "null")
        else:
            row[name] = None if not cell else int(cell) if name == "bytes" else float(cell)
    return row
