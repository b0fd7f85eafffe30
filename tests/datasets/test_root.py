"""data.root: a folder of clips, and no folder of the pipeline's."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from datmos.datasets.settings import DataParams, EvaluationSetParams

DATA = {"kind": "ratings", "aspects": ["PQ"], "scale": [1.0, 10.0], "max_excluded": 0.05}


@pytest.mark.parametrize("root", ["data", ".", "..", "data/models", "data/models/mine", "metrics", "plots/x", "/"])
def test_a_folder_that_holds_outputs_or_lies_in_one(root: str) -> None:
    with pytest.raises(ValidationError, match=r"the pipeline writes .* there. Put the clips into a folder"):
        DataParams.model_validate(DATA | {"root": root})
    with pytest.raises(ValidationError, match=r"the pipeline writes .* there"):
        EvaluationSetParams.model_validate({"kind": "pam", "root": root, "max_excluded": 0.05})


def test_the_same_by_a_link_or_a_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    for root in ("link", str(tmp_path / "data")):
        with pytest.raises(ValidationError, match="the pipeline writes data/"):
            DataParams.model_validate(DATA | {"root": root})


@pytest.mark.parametrize("root", ["~/clips", "~somebody"])
def test_a_home_folder_that_nobody_expands(root: str) -> None:
    with pytest.raises(ValidationError, match="~ is not expanded here; write the whole path"):
        DataParams.model_validate(DATA | {"root": root})


@pytest.mark.parametrize("root", ["clips", "data/mine", "../clips", "/somewhere/else", "datasets"])
def test_folders_that_are_right(root: str) -> None:
    assert DataParams.model_validate(DATA | {"root": root}).root == Path(root)
