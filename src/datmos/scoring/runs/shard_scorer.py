"""Scoring the shards of a long list, with a model that is loaded once."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pyarrow as pa

from datmos.core.errors import DatmosError
from datmos.core.files import write_json
from datmos.scoring.runs.inputs import ListedClip
from datmos.scoring.runs.options import Options, check_aspects, hop_of, score_clips
from datmos.scoring.runs.real_sound import warning_of
from datmos.scoring.runs.rows import Layout, Row, write_rows
from datmos.scoring.runs.shards import Sharding
from datmos.scoring.runs.tally import Tally
from datmos.scoring.scorer import Scorer, load


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
            self._scorer: Scorer = load(options.model, options.device, options.revision, options.trust)
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
        """Score the shard ``row["shard"]`` and return its note, with a "warning" that the user should see.

        If it can't be scored, "problem" says why.
        """
        if self._problem is not None:
            return {"problem": self._problem}
        try:
            return self._score(int(row["shard"]))
        except (DatmosError, OSError, pa.ArrowException) as error:
            return {"problem": str(error)}

    def _score(self, shard: int) -> dict[str, Any]:
        options, sharding = self._options, self._sharding
        layout = Layout(self._scorer, hop_of(options, self._scorer), options.timeline)
        clips = sharding.read(shard)
        tally, seconds = Tally(options.minima), [0.0]
        write_rows(sharding.file(shard), "parquet", self._rows(clips, layout, tally, seconds), layout)
        note = {
            "shard": shard,
            "version": self._scorer.version,
            "scored": tally.scored,
            "passed": tally.passed,
            "failed": tally.failed,
            "audio_seconds": round(seconds[0], 3),
        }
        write_json(sharding.note(shard), note)  # after the rows: without it the shard counts for nothing
        return note | {"problem": None, "warning": warning_of(self._scorer, clips, sharding.here)}

    def _rows(self, clips: list[ListedClip], layout: Layout, tally: Tally, seconds: list[float]) -> Iterator[Row]:
        with closing(score_clips(clips, self._scorer, self._options)) as scored:
            for clip, result in zip(clips, scored, strict=True):
                seconds[0] += getattr(result, "seconds", 0.0)
                row = layout.row(clip, result)
                if tally.passes(row):
                    yield row
