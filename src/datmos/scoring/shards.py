"""A long list of clips as shards: each a file of rows that is written whole, and is not computed again."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from datmos.core.errors import DatmosError
from datmos.core.files import file_digest, read_json, write_json
from datmos.scoring.inputs import ListedClip, locate
from datmos.scoring.options import Options, check_aspects, hop_of
from datmos.scoring.rows import Layout, Row, write_rows
from datmos.scoring.scorer import Scorer, load
from datmos.scoring.tally import Tally

RUN, DONE = "_run.json", "_done"  # names that readers of a folder of parquet files pass over


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
        """Shards that need not be computed: both files are there."""
        return [shard for shard in range(self.shards) if self.note(shard).is_file() and self.file(shard).is_file()]

    def read(self, shard: int) -> list[ListedClip]:
        """Read the clips of a shard; memory holds one row group of the manifest at a time."""
        start, stop = shard * self.size, min((shard + 1) * self.size, self.clips)
        names: list[str] = []
        with pq.ParquetFile(self.manifest) as file:
            first = 0
            for group in range(file.num_row_groups):
                last = first + file.metadata.row_group(group).num_rows
                if first < stop and start < last:
                    column = file.read_row_group(group, columns=["path"]).column("path")
                    names += column.slice(max(start - first, 0), min(stop, last) - max(start, first)).to_pylist()
                first = last
        return locate(names, self.manifest.parent, self.here)


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
    except pa.ArrowInvalid as error:
        raise DatmosError(f"{manifest}: a parquet manifest is expected ({error})") from None
    kind = schema.field("path").type if "path" in schema.names else pa.null()
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise DatmosError(f"{manifest}: every clip needs its path, text in a column called 'path'")
    if clips == 0:
        raise DatmosError(f"nothing to score: {manifest} names no clip")
    return Sharding(manifest.resolve(), Path.cwd(), output.resolve(), clips, size)


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
    if sharding.output.exists() and not run.is_file() and any(sharding.output.iterdir()):
        raise DatmosError(f"{sharding.output}: holds something else; --output needs a folder of its own")
    if run.is_file():
        if not resume:
            raise DatmosError(f"{sharding.output}: holds a run. --resume goes on with it; or name another folder.")
        before = read_json(run)
        if changed := [key for key, value in asked.items() if before.get(key) != value]:
            raise DatmosError(
                f"{sharding.output}: the run in it had another {', '.join(changed)}; its shards can't be mixed "
                "with new ones. Name another folder, or delete this one."
            )
    write_json(run, asked)
    return sharding.finished()


class ShardScorer:
    """Scores shards, one after another, with a model that is loaded once."""

    def __init__(self, sharding: Sharding, options: Options, version: str | None) -> None:
        """Load the model.

        Args:
            sharding: whose shards are to be scored.
            options: of the run.
            version: of the model that scored the shards that are there, None if none is.
        """
        self._sharding, self._options = sharding, options
        self._problem: str | None = None
        try:
            self._scorer: Scorer = load(options.model, options.device, options.revision)
            check_aspects(options.minima, self._scorer.aspects)
        except DatmosError as error:
            self._problem = str(error)
            return
        if version not in (None, self._scorer.version):
            self._problem = (
                f"--resume: the shards in {sharding.output} were scored by version {version} of the model, this is "
                f"{self._scorer.version}. Name another folder."
            )

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Score the shard ``row["shard"]`` and return its note; or, under "problem", why it can't be."""
        if self._problem is not None:
            return {"problem": self._problem}
        try:
            return self._score(int(row["shard"]))
        except (DatmosError, OSError) as error:
            return {"problem": str(error)}

    def _score(self, shard: int) -> dict[str, Any]:
        options, sharding = self._options, self._sharding
        layout = Layout(self._scorer, hop_of(options, self._scorer), options.timeline)
        tally, seconds = Tally(options.minima), [0.0]
        write_rows(sharding.file(shard), "parquet", self._rows(shard, layout, tally, seconds), layout)
        note = {
            "shard": shard,
            "version": self._scorer.version,
            "scored": tally.scored,
            "passed": tally.passed,
            "failed": tally.failed,
            "audio_seconds": round(seconds[0], 3),
        }
        write_json(sharding.note(shard), note)  # after the rows: without it the shard counts for nothing
        return note | {"problem": None}

    def _rows(self, shard: int, layout: Layout, tally: Tally, seconds: list[float]) -> Iterator[Row]:
        clips = self._sharding.read(shard)
        scored = self._scorer.stream(
            (clip.path for clip in clips),
            hop_seconds=layout.constant["hop_s"],
            workers=self._options.workers,
            batch_seconds=self._options.batch_seconds,
        )
        with closing(scored):
            for clip, result in zip(clips, scored, strict=True):
                seconds[0] += getattr(result, "seconds", 0.0)
                row = layout.row(clip, result)
                if tally.passes(row):
                    yield row
