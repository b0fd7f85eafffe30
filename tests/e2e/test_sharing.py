"""An export of what `dvc repro` has made, as a user types it."""

import json

import pytest
import yaml

from helpers.project import Project

pytestmark = pytest.mark.e2e


def test_an_export_of_a_committed_run_has_nothing_to_confess(project: Project) -> None:
    """Its hashes are DVC's own, and it scores as the pipeline's folder."""
    said = project.run("python", "-m", "datmos.commands.main", "export", "dat_source").stdout
    assert "data/exports/dat_source/README.md" in said
    folder = project.folder / "data/exports/dat_source"
    provenance = json.loads((folder / "provenance.json").read_text())
    lock = yaml.safe_load((project.folder / "dvc.lock").read_text())["stages"]["train@dat_source"]
    (md5,) = (out["md5"] for out in lock["outs"] if out["path"] == "data/models/dat_source")
    assert provenance["dvc"] == {"stage": "train@dat_source", "md5": md5, "differs": []}
    assert provenance["git"]["revision"] == project.run("git", "rev-parse", "HEAD").stdout.strip()
    assert provenance["git"]["changed"] is False
    assert provenance["params"]["strategies"]["dat_source"]["lambda"] == 0.5
    assert provenance["data"]["train"]["clips"] == 24
    card = (folder / "README.md").read_text()
    assert "compared on the same clips" in card
    assert "Not what dvc.lock says" not in card
    clip = next((project.folder / "data/corpus/audio").rglob("*.wav"))
    rows = [
        json.loads(project.run("python", "-m", "datmos.commands.main", "score", str(clip), "--model", model).stdout)
        for model in ("dat_source", "data/exports/dat_source")
    ]
    assert rows[0] == rows[1]
