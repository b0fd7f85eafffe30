"""The page of the demo. Nothing of it comes from, or goes to, another machine than the one it runs on."""

import html
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from datmos.audio.unusable import UnusableAudioError
from datmos.core.errors import DatmosError, printable_lines
from datmos.report.markdown import code, plain, sentence
from datmos.scoring.extras import needs
from datmos.scoring.score import Score
from datmos.scoring.scorer import Scorer
from datmos.sharing.demo.figures import draw_aspects, draw_time
from datmos.sharing.demo.limits import LIMITS, Limits, score_upload
from datmos.sharing.demo.uploads import Uploads

QUIET = {  # read by Gradio when it is imported
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_SSR_MODE": "False",  # would start Node.js
    "GRADIO_RUN_HISTORY": "False",  # would keep what was scored in the browser
    "GRADIO_ALLOWED_PATHS": "",  # it gives out uploads alone
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


def make_page(scorer: Scorer, uploads: Uploads, limits: Limits = LIMITS) -> Any:
    """Make the page, a ``gradio.Blocks``; ``launch`` shows it.

    Args:
        scorer: whose scores are shown.
        uploads: where they lie; GRADIO_TEMP_DIR has to name this folder.
        limits: of what a visitor gets.

    Raises:
        DatmosError: Gradio is not installed.
    """
    needs("demo", "gradio")
    os.environ |= QUIET
    import gradio

    def show(path: str | None) -> tuple[Any, ...]:
        if path is None:
            return None, "", None
        name = Path(path).name
        try:
            with uploads.use(path) as upload:
                score, picture = score_upload(scorer, upload, limits)
        except (UnusableAudioError, DatmosError) as error:
            # Gradio shows it as HTML
            reason = html.escape(f"{name}: {error}")
            raise gradio.Error(reason, duration=None, print_exception=False) from None
        except Exception:
            print(printable_lines(traceback.format_exc()), file=sys.stderr)  # it may hold the name of an upload
            raise gradio.Error("This page has failed; its terminal says why.", print_exception=False) from None
        heard = scorer.model.windowing.sample_rate / 2
        time = draw_time(score.windows, scorer.aspects, scorer.scale, picture, heard)
        return draw_aspects(score.mean, score.std, scorer.scale), _write_notes(name, score), time

    async def refuse_address(path: Any) -> Any:
        if isinstance(path, str) and path.startswith(("http:", "https:")):
            raise gradio.Error("An upload is expected; addresses are not fetched.", print_exception=False)
        return path

    with gradio.Blocks(title="datmos", analytics_enabled=False) as page:
        gradio.Markdown(_write_head(scorer), latex_delimiters=[])
        with gradio.Row():
            with gradio.Column(scale=2):
                clip = gradio.Audio(
                    sources=["upload", "microphone"],
                    type="filepath",
                    label=f"A sound file: {limits.upload / 1e6:g} MB and {limits.audio / 60:g} minutes at most",
                    editable=False,
                    buttons=[],
                )
                notes = gradio.Markdown(elem_id="notes", latex_delimiters=[])
            with gradio.Column(scale=3):
                aspects = gradio.Plot(label="Scores", show_label=False, format="png", elem_id="aspects")
        time = gradio.Plot(label="Over time", show_label=False, format="png", elem_id="time")
        # Gradio would fetch it
        clip.async_move_resource_to_block_cache = refuse_address  # type: ignore[method-assign, assignment]
        clip.change(
            show,
            clip,
            [aspects, notes, time],
            api_name="score",
            show_progress="full",
            concurrency_limit=limits.at_once,
        )
    return page.queue(max_size=limits.waiting, api_open=False)


def _write_head(scorer: Scorer) -> str:
    low, high = scorer.scale
    return (
        f"# How would listeners rate it?\n{code(scorer.name)} (version {plain(scorer.version)}) predicts the mean "
        f"rating for {', '.join(map(plain, scorer.aspects))}, {low:g} to {high:g}. Thick bars are one standard "
        "deviation, thin ones 95%."
    )


def _write_notes(name: str, score: Score) -> str:
    notes = [f"**Doubtful:** {sentence(text)}" for text in score.warnings] or ["No warnings."]
    if score.percentile is not None:
        notes.append(
            f"Of the model's validation clips, {score.percentile:.0f}% are no farther from its train clips."
        )
    return f"{plain(name)}, {score.seconds:.1f} s\n\n" + "\n".join(f"- {note}" for note in notes)
