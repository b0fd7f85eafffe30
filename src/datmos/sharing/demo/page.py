"""The page of the demo. Nothing of it comes from, or goes to, another machine than the one it runs on."""

import os
from pathlib import Path
from typing import Any

from datmos.audio.blocks import read_blocks
from datmos.core.errors import DatmosError
from datmos.core.extras import needs
from datmos.scoring.scorer import Scorer
from datmos.sharing.demo.figures import draw_aspects, draw_time
from datmos.sharing.demo.spectrogram import compute_spectrogram

COLUMNS = 1600  # of the spectrogram: twice what the picture shows
KEPT = 3600  # seconds that an uploaded file stays in the temporary folder
QUIET = {  # read by Gradio when it is imported
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_SSR_MODE": "False",  # would start Node.js
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
FONTS = ["system-ui", "sans-serif"]  # the browser's own; the themes' are Google's


def make_page(scorer: Scorer) -> Any:
    """Make the page, a ``gradio.Blocks``; ``launch`` shows it.

    Raises:
        DatmosError: Gradio is not installed.
    """
    needs("demo", "gradio")
    os.environ |= QUIET
    import gradio

    low, high = scorer.scale

    def show(path: str | None) -> tuple[Any, ...]:
        if path is None:
            return None, "", None
        try:
            score = scorer.score(path)
            heard = scorer.model.windowing.sample_rate / 2
            picture = compute_spectrogram(read_blocks(Path(path)), score.seconds, COLUMNS)
        except DatmosError as error:
            raise gradio.Error(str(error).replace(path, Path(path).name), duration=None) from None
        notes = "\n".join(f"- **Doubtful:** {text}" for text in score.warnings) or "- No warnings."
        if score.percentile is not None:
            notes += (
                f"\n- Of the model's validation clips, {score.percentile:.0f}% are no farther from its train clips."
            )
        notes = f"{Path(path).name}, {score.seconds:.1f} s\n\n{notes}"
        aspects = draw_aspects(score.mean, score.std, scorer.scale)
        return aspects, notes, draw_time(score.windows, scorer.aspects, scorer.scale, picture, heard)

    with gradio.Blocks(title="datmos", analytics_enabled=False, delete_cache=(KEPT, KEPT)) as page:
        gradio.Markdown(
            f"# How would listeners rate it?\n`{scorer.name}` (version {scorer.version}) predicts the mean "
            f"rating for {', '.join(scorer.aspects)}, {low:g} to {high:g}. Thick bars are one standard deviation, "
            "thin ones 95%."
        )
        with gradio.Row():
            with gradio.Column(scale=2):
                clip = gradio.Audio(
                    sources=["upload", "microphone"],
                    type="filepath",
                    label="A sound file",
                    editable=False,
                    buttons=[],
                )
                notes = gradio.Markdown(elem_id="notes")
            with gradio.Column(scale=3):
                aspects = gradio.Plot(label="Scores", show_label=False, format="png", elem_id="aspects")
        time = gradio.Plot(label="Over time", show_label=False, format="png", elem_id="time")
        clip.change(show, clip, [aspects, notes, time], api_name="score", show_progress="full")
    return page


def serve(scorer: Scorer, port: int | None, block: bool = True) -> str:
    """Serve the page on this machine alone; returns its address.

    Args:
        scorer: whose scores are shown.
        port: to listen on; None: the first free one from 7860.
        block: whether to return only when the person at the terminal interrupts.

    Raises:
        DatmosError: Gradio is not installed, or the port is taken.
    """
    page = make_page(scorer)
    import gradio

    try:
        _, address, _ = page.launch(
            server_name="127.0.0.1",
            server_port=port,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            footer_links=[],
            theme=gradio.themes.Default(font=FONTS, font_mono=["monospace"]),
        )
    except OSError as error:
        raise DatmosError(f"--port: {error}") from None
    print(f"Open {address} in a browser; Ctrl-C ends it.")
    if block:
        page.block_thread()
    return str(address)
