"""The command `datmos ratings-from`."""

import argparse
from pathlib import Path
from typing import Any

from datmos.core.errors import DatmosError, printable
from datmos.datasets.corpora import CORPORA


def add_ratings_from(commands: Any) -> None:
    """Add the command to the parser of `datmos`."""
    known = "; ".join(f"{name}: {corpus.expects}" for name, corpus in CORPORA.items())
    parser = commands.add_parser(
        "ratings-from",
        help="write the ratings.csv of a published corpus",
        description=f"Write ratings.csv into a corpus' folder, and print the command that uses it. {known}.",
    )
    parser.add_argument("corpus", choices=list(CORPORA))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--force", action="store_true", help="replace a ratings.csv that is there")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    # here: other commands need no pandas
    from datmos.core.clips import SPLITS
    from datmos.core.files import replacing
    from datmos.datasets.converters import convert
    from datmos.datasets.ratings import read_ratings
    from datmos.scoring.user_outputs import output_file

    folder, corpus = arguments.folder, CORPORA[arguments.corpus]
    path = folder / "ratings.csv"
    target = output_file(path, "")
    table = convert(arguments.corpus, folder)
    if target.exists() and not arguments.force:
        raise DatmosError(f"{path} is there already; --force replaces it")
    with replacing(target) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
        read_ratings(temporary, list(corpus.aspects))  # refuses what a run would refuse
    counts = table["split"].value_counts()
    print(f"{printable(str(path))}: {', '.join(f'{counts[split]} {split}' for split in SPLITS)} clips")
    aspects, scale = ",".join(corpus.aspects), ",".join(f"{bound:g}" for bound in corpus.scale)
    print(
        f"dvc exp run -S data.kind=ratings -S data.root={printable(str(folder))} -S 'data.aspects=[{aspects}]' "
        f"-S 'data.scale=[{scale}]'"
    )
