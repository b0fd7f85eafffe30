"""The model card of a run whose names are markup, or YAML, or shell."""

import copy
import json
import shlex
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from datmos.sharing.card import write_card
from datmos.sharing.contents import Contents, describe_heads
from datmos.sharing.provenance import describe_provenance
from helpers.finished_run import write_project
from helpers.hostile_names import HOSTILE, Seen, shown

OWN_TAGS = {"h1", "h2", "p", "pre", "code", "ul", "li", "strong", "em", "table", "thead", "tbody", "tr", "th", "td"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Contents]:
    run = write_project(tmp_path_factory.mktemp("run"))
    models = run / "data/models/dat"
    config = json.loads((models / "config.json").read_text())
    return describe_provenance(run, "dat", models), describe_heads(config | {"aspects": ["PQ"]})


def renamed(finished: tuple[dict[str, Any], Contents], name: str) -> tuple[dict[str, Any], Contents]:
    """Put a name wherever data or settings give one."""
    provenance = copy.deepcopy(finished[0])
    provenance["name"] = name
    for own in provenance["data"].values():
        own |= {"sources": {name: 8}, "systems": 0, "aspects": {name: own["aspects"]["PQ"]}}
    results = provenance["results"].pop("PQ")
    results["mse"]["others"] = {name: 0.5}
    provenance["results"][name] = results
    provenance["params"]["data"]["root"] = name
    provenance["dvc"] = {"stage": name, "md5": name, "differs": [name]}
    encoder = {"name": name, "revision": name, "layers": [name], "sample_rate": 16_000}
    config = {
        "strategy": name, "domains": name, "lambda": 0.5, "kind": name, "seeds": [1],
        "head": {"scale": (1.0, 10.0)},
        "encoder": encoder, "encoder_params": {"kind": "transformers", "model": name},
        "audio": {"clip_seconds": 3.0},
    }  # fmt: skip
    return provenance, describe_heads(config | {"aspects": [name]})


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_on_the_card(finished: tuple[dict[str, Any], Contents], name: str) -> None:
    card = write_card(*renamed(finished, name), name, name, f"`head.onnx` is of '{name}'.")
    _, front, text = card.split("---\n", 2)
    head = yaml.safe_load(front)
    assert (head["license"], head["base_model"]) == (name, name)
    found = Seen(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))
    assert found.tags <= OWN_TAGS
    assert not found.attributes & {"href", "src", "onerror"}
    assert [shown(row[4]) for row in found.rows if row[0] in ("train", "eval")] == [f"{shown(name)} 8"] * 2
    widths = {row[0]: len(row) for row in found.rows}
    assert widths["Split"] == widths["train"] == widths["eval"] == 6
    assert widths["Aspect"] == widths[shown(name)] == 8
    assert f"{shown(name)}: listener ratings of audio, predicted" in found.text


@pytest.mark.parametrize("name", HOSTILE)
def test_commands_on_the_card_name_the_folder_as_it_is(
    finished: tuple[dict[str, Any], Contents], name: str
) -> None:
    blocks = [
        token.content
        for token in MarkdownIt().parse(write_card(*finished, "mit", name).split("---\n", 2)[2])
        if token.type == "fence"
    ]
    assert shlex.split(blocks[0]) == ["datmos", "score", "clip.wav", "--model", name]
    assert f"scorer = load({json.dumps(name)})\n" in blocks[1]
    assert yaml.safe_load(blocks[2])["seeds"] == [3, 4]


@pytest.mark.parametrize("absent", ["data", "results", "params", "others", "nothing"])
def test_no_part_leaves_a_gap(finished: tuple[dict[str, Any], Contents], absent: str) -> None:
    provenance, contents = copy.deepcopy(finished)
    if absent == "others":
        for own in provenance["results"].values():
            own["mse"]["others"] = {}
    elif absent != "nothing":
        provenance[absent] = None
    for onnx in (None, "`head.onnx` is there."):
        assert "\n\n\n" not in write_card(provenance, contents, "mit", "me/dat", onnx)


def test_a_plain_card_is_written_plainly(finished: tuple[dict[str, Any], Contents]) -> None:
    text = write_card(*finished, "mit", "me/dat_source")
    assert "\\" not in text
    assert "&" not in text
    assert "````" not in text
    assert "datmos score clip.wav --model me/dat_source\n" in text
    assert "a domain adversary on `source` (lambda 0.5)" in text
