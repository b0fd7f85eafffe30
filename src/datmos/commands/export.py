"""`datmos export`."""

import argparse
from pathlib import Path
from typing import Any

from datmos.core.errors import printable
from datmos.core.paths import EXPORTS


def add_export(commands: Any) -> None:
    """Add the command to the parser's subparsers."""
    export = commands.add_parser(
        "export",
        help="pack a trained predictor for others",
        description="Write a folder with weights, encoder reference, model card and provenance, which "
        "`datmos score` and datmos.load read and the Hugging Face hub accepts. Run it where params.yaml is, after "
        "`dvc repro`.",
    )
    export.add_argument("name", help="of a strategy")
    export.add_argument("--output", type=Path, metavar="FOLDER", help="default: data/exports/NAME")
    export.add_argument("--onnx", action="store_true", help="write head.onnx too, checked against PyTorch")
    export.add_argument(
        "--encoder", metavar="ID@COMMIT", help="where others find an encoder that was read from a folder here"
    )
    export.add_argument(
        "--license",
        default="unknown",
        metavar="NAME",
        help="for the card, for example cc-by-4.0 (default: unknown)",
    )
    export.add_argument(
        "--push", metavar="REPO_ID", help="upload to the Hugging Face hub, for example me/my-predictor"
    )
    export.add_argument("--private", action="store_true", help="with --push: a new repository is private")
    export.set_defaults(run=_export)


def _export(arguments: argparse.Namespace) -> None:
    # here: other commands need none of it
    from datmos.sharing.export import Wishes, export_predictor
    from datmos.sharing.hub import push_folder
    from datmos.sharing.provenance import differences

    output = arguments.output or EXPORTS / arguments.name
    wishes = Wishes(arguments.onnx, arguments.license, arguments.push, arguments.encoder)
    exported = export_predictor(Path(), arguments.name, output, wishes)
    files = sorted(path for path in output.rglob("*") if path.is_file())
    for path in files:
        print(f"{path.stat().st_size:>12,}  {printable(str(path))}")
    for sentence in filter(None, [exported.onnx, *differences(exported.provenance)]):
        print(sentence)
    if arguments.push:
        print(push_folder(output, arguments.push, arguments.private))
    else:
        print(f"Read {output / 'README.md'} before you share it. Try it: datmos score CLIP --model {output}")
