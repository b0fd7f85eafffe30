"""`datmos demo`."""

import argparse
from typing import Any

from datmos.commands.score import add_trust


def add_demo(commands: Any) -> None:
    """Add the command to the parser's subparsers."""
    demo = commands.add_parser(
        "demo",
        help="a web page that scores a file",
        description="Serve a page on this machine: drop a file, see its scores with their uncertainty, the time "
        "line and the spectrogram. Needs `pip install -e '.[demo]'`. Nothing is sent to other machines.",
    )
    demo.add_argument("--model", help="as for `datmos score`")
    add_trust(demo)
    demo.add_argument("--port", type=int, help="default: the first free one from 7860")
    demo.add_argument("--device", help="cpu, cuda, mps; default: the fastest there is")
    demo.set_defaults(run=_demo)


def _demo(arguments: argparse.Namespace) -> None:
    # here: other commands need none of it
    from datmos.commands.score import pick_model
    from datmos.scoring.extras import needs
    from datmos.scoring.scorer import load
    from datmos.sharing.demo.server import serve

    needs("demo", "gradio")  # before the model is loaded
    model = pick_model() if arguments.model is None else arguments.model
    serve(load(model, arguments.device, trust=arguments.trust), arguments.port)
