"""Who may ask the demo, and for what: its own page, for what that page needs."""

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from datmos.sharing.demo.limits import Limits
from datmos.sharing.demo.uploads import Uploads

HOSTS = ["127.0.0.1", "localhost"]
API = "/gradio_api/"
# Gradio has more: some fetch addresses, some write files, some go round the queue
ROUTES = (
    "app_id", "call/", "cancel", "file=/", "heartbeat/", "info", "queue/", "reset", "startup-events", "theme.css",
    "upload",
)  # fmt: skip
OVERHEAD = 100_000  # bytes of a request without the file in it


class Guard:
    """Refuses requests before anything of them is read.

    Those are requests of other pages that a visitor has open, requests for what this page has no use for, and
    requests that are too large.

    A browser names the page in the header Origin; programs such as curl send none.
    """

    def __init__(self, app: ASGIApp, limits: Limits, uploads: Uploads) -> None:
        """Stand before ``app``."""
        self._app, self._limits, self._uploads = app, limits, uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        refusal = self._refuse(scope) if scope["type"] == "http" else None
        await (self._app if refusal is None else refusal)(scope, receive, send)

    def _refuse(self, scope: Scope) -> PlainTextResponse | None:
        headers, path = Headers(scope=scope), scope["path"]
        own = f"http://{headers.get('host')}"
        origin = headers.get("origin", own)
        if origin != own:
            return PlainTextResponse(
                f"The request comes from {origin}; this demo answers its own page alone. Open {own} in a browser.",
                403,
            )
        if path.startswith(API) and not path.removeprefix(API).startswith(ROUTES):
            return PlainTextResponse(f"{path} is no part of this demo. Open {own} in a browser.", 404)
        return self._measure(headers, self._limits.upload if path == f"{API}upload" else 0)

    def _measure(self, headers: Headers, upload: int) -> PlainTextResponse | None:
        if "transfer-encoding" in headers:
            return PlainTextResponse("The request does not say how long it is; Content-Length is expected.", 411)
        length = int(headers.get("content-length", 0))  # the server has checked that it is a number
        if length > upload + OVERHEAD:
            return PlainTextResponse(
                f"The request has {length / 1e6:.1f} MB; an upload of at most {self._limits.upload / 1e6:g} MB is "
                "expected. Cut the file, or score it in the terminal with `datmos score`.",
                413,
            )
        if upload and self._uploads.size() + length > self._limits.kept:
            return PlainTextResponse("There are too many uploads here. Try again in some minutes.", 503)
        return None


def guards(limits: Limits, uploads: Uploads) -> list[Middleware]:
    """Return what stands before the application.

    The names of this machine are the only ones in the header Host: a page elsewhere that makes its own name mean
    this machine (DNS rebinding) sends its own.
    """
    return [
        Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False),
        Middleware(Guard, limits=limits, uploads=uploads),
    ]
