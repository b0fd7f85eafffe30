"""What scripts load: `python loaded_modules.py '{"watched": [...], "before": [...], "scripts": [...]}'` prints it.

Each script is imported in a process of its own, forked from one that has imported ``before`` alone: a dozen scripts
that need PyTorch wait for it once.
"""

import importlib
import json
import os
import runpy
import sys


def loaded_by(script: str, watched: list[str]) -> list[str]:
    """Import a script in a forked process and return the modules that are then there."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        code = 1
        try:
            runpy.run_path(script, run_name="imported")
            os.write(writing, json.dumps([name for name in watched if name in sys.modules]).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as answer:
        found = answer.read()
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        raise SystemExit(f"{script} can't be imported")
    return list(json.loads(found))


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    for module in asked["before"]:
        importlib.import_module(module)
    print(json.dumps({script: loaded_by(script, asked["watched"]) for script in asked["scripts"]}))
