"""A `python` that starts at once: it is forked from an interpreter that has imported what stages import.

Starting and importing is nine tenths of what a stage takes in a tiny project. So an interpreter that has imported
the libraries (and nothing of datmos) waits at a socket, and `python` on the PATH is a script that asks it for a
process with the caller's arguments, folder, environment, input and output. Such a process does what a fresh one
does, with two exceptions. Variables that are read when an interpreter starts (MALLOC_..., PYTHONHASHSEED) come too
late. And it is nobody's child: who kills the caller does not kill it. Tests that kill start a fresh one
(`Project.start`).

`python warm_python.py SOCKET` is the interpreter that waits; it ends when its standard input does.
"""

import contextlib
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

LIBRARIES = (
    "pandas", "pyarrow.parquet", "pydantic", "yaml", "tqdm", "soundfile", "threadpoolctl", "safetensors.torch",
    "scipy.signal", "scipy.stats", "scipy.cluster.vq", "scipy.spatial",
    "matplotlib.figure", "matplotlib.backends.backend_agg",
    "sklearn.cluster", "sklearn.linear_model", "sklearn.metrics", "sklearn.model_selection", "sklearn.svm",
    "torch", "torchaudio", "distillmos", "transformers", "transformers.models.wavlm.modeling_wavlm",
    "transformers.models.wav2vec2.modeling_wav2vec2", "umap", "jinja2", "markdown_it", "av",
)  # fmt: skip
INTERPRETED = {"NUMBA_DISABLE_JIT": "1", "JOBLIB_MULTIPROCESSING": "0"}  # starting would take longer
ASK = """#!{python} -IS
import json, os, socket, sys
if sys.argv[1] != "-m" and not sys.argv[1].endswith(".py"):
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect({address!r})
    socket.send_fds(asked, [b"."], [0, 1, 2])
    asked.sendall(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode())
    asked.shutdown(socket.SHUT_WR)
    code = asked.recv(16)
sys.exit(int(code))
"""


@contextlib.contextmanager
def warm_python(folder: Path) -> Iterator[Path]:
    """Start the interpreter that waits; yields a folder for the PATH with its `python`."""
    address = folder / "socket"
    command, environment = [sys.executable, __file__, str(address)], os.environ | INTERPRETED
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        assert run.stdout.readline() == b"ready\n"
        script = folder / "bin/python"
        script.parent.mkdir()
        script.write_text(ASK.format(python=sys.executable, address=str(address)))
        script.chmod(0o755)
        yield script.parent
        run.stdin.close()


def wait_for_callers(address: str) -> None:
    """Fork a process for every caller, until standard input ends."""
    for name in LIBRARIES:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that serve a caller
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        print("ready", flush=True)
        while sys.stdin not in select.select([server, sys.stdin], [], [])[0]:
            caller, _ = server.accept()
            if os.fork() == 0:
                server.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                serve(caller)
            caller.close()


def serve(caller: socket.socket) -> None:
    """Run what a caller asks for in one more process, and tell it the exit status."""
    _, files, _, _ = socket.recv_fds(caller, 1, 3)
    with caller.makefile("rb") as request:
        arguments, folder, environment = json.loads(request.read())
    child = os.fork()
    if child == 0:
        caller.close()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        os._exit(run(arguments))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    caller.sendall(str(status if status >= 0 else 128 - status).encode())
    os._exit(0)


def run(arguments: list[str]) -> int:
    """Do what `python ARGUMENTS` does, for a script or -m; returns the exit status."""
    own = [str(Path(part).resolve()) for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    try:
        if arguments[0] == "-m":
            sys.path[:1] = ["", *own]
            sys.argv = arguments[1:]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.path[:1] = [str(Path(arguments[0]).resolve().parent), *own]
            sys.argv = arguments
            runpy.run_path(arguments[0], run_name="__main__")
        return 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    wait_for_callers(sys.argv[1])
