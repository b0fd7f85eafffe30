"""The server of the demo: it listens on this machine alone, and leaves nothing behind."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event

from datmos.core.errors import DatmosError
from datmos.scoring.scorer import Scorer
from datmos.sharing.demo.limits import LIMITS, Limits
from datmos.sharing.demo.page import make_page
from datmos.sharing.demo.uploads import uploads_folder

FONTS = ["system-ui", "sans-serif"]  # the browser's own; the themes' are Google's
PLACE = "GRADIO_TEMP_DIR"  # where Gradio puts uploads


def serve(scorer: Scorer, port: int | None) -> None:
    """Serve the page on this machine alone, until the person at the terminal interrupts or the process is ended.

    Args:
        scorer: whose scores are shown.
        port: to listen on; None: the first free one from 7860.

    Raises:
        DatmosError: Gradio is not installed, or the port is taken.
    """
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)  # as Ctrl-C: uploads are removed
    with suppress(KeyboardInterrupt), serving(scorer, port) as address:
        print(f"Open {address} in a browser; Ctrl-C ends it.", flush=True)
        Event().wait()


@contextmanager
def serving(scorer: Scorer, port: int | None = None, limits: Limits = LIMITS) -> Iterator[str]:
    """Serve the page and yield its address; at the end the server and all uploads are gone.

    Raises:
        DatmosError: as `serve`.
    """
    with uploads_folder() as uploads, _environment(PLACE, str(uploads.folder)):
        page = make_page(scorer, uploads, limits)
        import gradio

        from datmos.sharing.demo.guard import guards

        try:
            _, address, _ = page.launch(
                server_name="127.0.0.1",
                server_port=port,
                share=False,
                quiet=True,
                prevent_thread_lock=True,
                footer_links=[],
                enable_monitoring=False,
                max_file_size=limits.upload,
                app_kwargs={"middleware": guards(limits, uploads)},
                theme=gradio.themes.Default(font=FONTS, font_mono=["monospace"]),
            )
        except OSError as error:
            raise DatmosError(f"--port: {error}") from None
        try:
            yield str(address)
        finally:
            page.close(verbose=False)


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before
