"""A stand-in for the Hugging Face hub on this machine: the part of its HTTP API that downloads use.

Programs find it by the environment variable HF_ENDPOINT.
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit


class Repository(NamedTuple):
    """A model on the hub."""

    revisions: dict[str, Path]  # tags and branches -> a folder with the files
    gated: bool = False

    def folder_of(self, revision: str) -> Path | None:
        by_commit = {commit_of(folder): folder for folder in self.revisions.values()}
        return (self.revisions | by_commit).get(revision)


class Hub(NamedTuple):
    address: str
    repositories: dict[str, Repository]
    requests: list[str]  # method and path of all that was asked


def commit_of(folder: Path) -> str:
    """Name what a folder holds as git would, by a digest."""
    digest = hashlib.sha1()
    for path in sorted(folder.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """Serve repositories that the caller puts into ``repositories``, also while it runs."""
    repositories: dict[str, Repository] = {}
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def log_message(self, *arguments: object) -> None:
            pass

        def _answer(self, with_body: bool) -> None:
            requests.append(f"{self.command} {self.path}")
            status, headers, body = self._found(unquote(urlsplit(self.path).path).strip("/").split("/"))
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def _found(self, parts: list[str]) -> tuple[int, dict[str, str], bytes]:
            about = parts[:2] == ["api", "models"]  # /api/models/NAME/revision/REVISION
            name, rest = "/".join(parts[2:4] if about else parts[:2]), parts[4:] if about else parts[2:]
            repository = repositories.get(name)
            if repository is None:
                return 404, _error("RepoNotFound", "Repository not found"), b""
            revision = rest[1] if len(rest) > 1 else "main"
            if (folder := repository.folder_of(revision)) is None:
                return 404, _error("RevisionNotFound", f"Invalid rev id: {revision}"), b""
            commit = commit_of(folder)
            if about and rest[:1] in ([], ["revision"]):
                files = [{"rfilename": path.name} for path in sorted(folder.iterdir())]
                told = {"id": name, "modelId": name, "sha": commit, "siblings": files, "private": False, "tags": []}
                return 200, {"Content-Type": "application/json"}, json.dumps(told).encode()
            if about and rest[:1] == ["tree"]:
                listed = [
                    {"type": "file", "path": path.name, "oid": commit, "size": path.stat().st_size}
                    for path in sorted(folder.iterdir())
                ]
                return 200, {"Content-Type": "application/json"}, json.dumps(listed).encode()
            if repository.gated:
                return 403, _error("GatedRepo", f"Access to model {name} is restricted"), b""
            file = folder / "/".join(rest[2:])
            if about or rest[0] != "resolve" or not file.is_file():
                return 404, _error("EntryNotFound", "Entry not found"), b""
            body = file.read_bytes()
            return 200, {"ETag": f'"{hashlib.sha1(body).hexdigest()}"', "X-Repo-Commit": commit}, body

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Hub(f"http://127.0.0.1:{server.server_address[1]}", repositories, requests)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _error(code: str, message: str) -> dict[str, str]:
    return {"X-Error-Code": code, "X-Error-Message": message}
