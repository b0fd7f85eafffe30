"""What starts often starts quickly: nothing large is imported that is not needed. Looked at, not timed."""

import json
import subprocess
import sys

import pytest

from helpers.places import REPOSITORY

HEAVY = ("torch", "torchaudio", "transformers", "sklearn", "scipy.stats", "matplotlib", "umap")
TORCH, STATISTICS = {"torch"}, {"scipy.stats"}
LEARNING = STATISTICS | {"sklearn"}  # scikit-learn loads the other
# stage script -> what its imports load. What a stage needs in some runs only is imported in those.
LOADS: dict[str, set[str]] = {
    "corpus": set(),
    "manifest": set(),
    "embed": TORCH,
    "domains": set(),
    "train": TORCH,
    "reference": LEARNING,
    "granularity": TORCH,
    "evaluate": LEARNING,
    "figures": STATISTICS | {"matplotlib"},
    "finetune_domains": TORCH,
    "finetune": TORCH,
    "published": TORCH,
    "set_evaluate": TORCH | LEARNING,
    "report": set(),
}


def test_every_stage_is_in_the_list() -> None:
    assert set(LOADS) == {path.stem for path in (REPOSITORY / "stages").glob("*.py")}


@pytest.mark.parametrize("before", [set(), TORCH], ids=["without torch", "with torch"])
@pytest.mark.takes(10)
def test_a_stage_imports_what_it_needs(before: set[str]) -> None:
    scripts = {f"stages/{name}.py": heavy for name, heavy in LOADS.items() if (heavy & TORCH) == before}
    every_stage_needs = ("pandas", "pyarrow.parquet", "pydantic", "yaml")
    asked = json.dumps({"watched": HEAVY, "before": [*every_stage_needs, *before], "scripts": list(scripts)})
    command = [sys.executable, "tests/helpers/loaded_modules.py", asked]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert {script: set(found) for script, found in json.loads(result.stdout).items()} == scripts


@pytest.mark.parametrize("arguments", ["", "--help", "score --help", "ratings-from --help", "check params"])
def test_a_short_command_loads_nothing_large(arguments: str) -> None:
    code = (
        "import sys; from datmos.commands.main import main\n"
        "try:\n    main()\n"
        f"except SystemExit as end:\n    assert (end.code or 0) == {0 if arguments else 2}\n"
        f"print([name for name in {(*HEAVY, 'pandas')} if name in sys.modules], file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *arguments.split()]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert result.stderr.splitlines()[-1] == "[]"
