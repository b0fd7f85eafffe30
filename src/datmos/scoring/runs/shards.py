"""A long list of clips as shards: each a file of rows that is written whole, and is not computed again."""

from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from datmos.core.errors import DatmosError
from datmos.core.files import file_digest, read_json, write_json
from datmos.scoring.runs.inputs import ListedClip, locate
from datmos.scoring.runs.lists import WANTED, Entry, column_entries
from datmos.scoring.runs.options import Options

RUN, DONE, LOCK = "_run.json", "_done", "_lock"  # names that readers of a folder of parquet files pass over


class Sharding(NamedTuple):
    """A parquet manifest cut into shards.

    Attributes:
        manifest: with a column ``path``; an absolute path that every machine sees.
        here: where paths are looked for that are not beside the manifest.
        output: folder of the shards, absolute too.
        clips: in the manifest.
        size: clips of a shard; the last may have fewer.
    """

    manifest: Path
    here: Path
    output: Path
    clips: int
    size: int

    @property
    def shards(self) -> int:
        """How many there are."""
        return -(-self.clips // self.size)

    def file(self, shard: int) -> Path:
        """Where the rows of a shard go: files in the order of their names hold the manifest's order."""
        return self.output / f"part-{shard:06d}.parquet"

    def note(self, shard: int) -> Path:
        """Where it is noted that a shard is done, and what came of it."""
        return self.output / DONE / f"part-{shard:06d}.json"

    def finished(self) -> list[int]:
        """Shards that need not be computed: note and rows are there, and whole."""
        return [shard for shard in range(self.shards) if self.read_note(shard) is not None]

    def read_note(self, shard: int) -> dict[str, Any] | None:
        """Read what came of a shard; None if it is not done, or note or rows are damaged."""
        try:
            note = read_json(self.note(shard))
            with pq.ParquetFile(self.file(shard)) as file:
                rows = file.metadata.num_rows
            whole = rows in (
                note["passed"],
                note["passed"] + len(note["failed"]),
            )  # with minima the failed are left out
            typed = isinstance(note["version"], str) and isinstance(note["failed"], list)
            return note if whole and typed and note["scored"] >= note["passed"] else None
        except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def read(self, shard: int) -> list[ListedClip]:
        """Read the clips of a shard; memory holds one row group of the manifest at a time."""
        start, stop = shard * self.size, min((shard + 1) * self.size, self.clips)
        entries: list[Entry] = []
        with pq.ParquetFile(self.manifest) as file:
            first = 0
            for group in range(file.num_row_groups):
                last = first + file.metadata.row_group(group).num_rows
                if first < stop and start < last:
                    begin, length = max(start, first), min(stop, last) - max(start, first)
                    table = file.read_row_group(group, columns=["path"]).slice(begin - first, length)
                    entries += column_entries(table, str(self.manifest), begin)
                first = last
        return locate(entries, self.manifest.parent, self.here)


def cut_manifest(manifest: Path, output: Path, size: int) -> Sharding:
    """Cut a parquet manifest into shards of ``size`` clips.

    Raises:
        DatmosError: it can't be read, has no column of paths, or is empty; or ``size`` is not above 0.
    """
    if size < 1:
        raise DatmosError(f"--shard-clips: 1 or more is expected, got {size}")
    try:
        with pq.ParquetFile(manifest) as file:
            schema, clips = file.schema_arrow, file.metadata.num_rows
    except OSError as error:
        raise DatmosError(f"{manifest}: {error.strerror or error}") from None
    except pa.ArrowException as error:
        raise DatmosError(f"{manifest}: a parquet manifest is expected ({error})") from None
    kind = schema.field("path").type if "path" in schema.names else pa.null()
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if kind not in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary()):
        raise DatmosError(f"{manifest}: {WANTED}")
    if clips == 0:
        raise DatmosError(f"nothing to score: {manifest} names no clip")
    return Sharding(manifest.resolve(), Path.cwd(), output.resolve(), clips, size)


def check_folder(output: Path) -> None:
    """Refuse a folder that holds anything but a run.

    Raises:
        DatmosError: it does.
    """
    if not output.exists() or (output / RUN).is_file():
        return
    if {path.name for path in output.iterdir()} - {LOCK}:
        raise DatmosError(f"{output}: holds something else; --output needs a folder of its own")


def _read_run(path: Path) -> dict[str, Any]:
    try:
        run = read_json(path)
    except (ValueError, RecursionError):
        run = None
    if not isinstance(run, dict):
        raise DatmosError(f"{path}: is damaged, so it can't be told what run it was. Name another --output folder.")
    return run


def claim_output(sharding: Sharding, options: Options, resume: bool) -> list[int]:
    """Make the output folder, or go on with the run in it; returns the shards that are done.

    Raises:
        DatmosError: the folder holds something else; or a run, and that is not to be resumed or was another one.
    """
    asked: dict[str, Any] = {
        "manifest": file_digest(sharding.manifest),
        "clips": sharding.clips,
        "shard_clips": sharding.size,
        "minima": options.minima,
        "timeline": options.timeline,
        "hop_seconds": options.hop_seconds,
    }
    run = sharding.output / RUN
    check_folder(sharding.output)
    if run.is_file():
        if not resume:
            raise DatmosError(f"{sharding.output}: holds a run. --resume goes on with it; or name another folder.")
        before = _read_run(run)
        if changed := [key for key, value in asked.items() if before.get(key) != value]:
            raise DatmosError(
                f"{sharding.output}: the run in it had another {', '.join(changed)}; its shards can't be mixed "
                "with new ones. Name another folder, or delete this one."
            )
    write_json(run, asked)
    return sharding.finished()
