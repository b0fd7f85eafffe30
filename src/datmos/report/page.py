"""One page that says what came out and what was run: self-contained, so that it opens anywhere, offline."""

import base64
import platform
import re
from collections.abc import Mapping
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from datmos.core.files import read_json
from datmos.params.schema import Params
from datmos.report.summary import Findings

NUMBERED = "names.json"  # in plots/figures: {"no. 1": name}, of names that no installed font can draw; may lack
TEMPLATE = Path(__file__).with_name("page.html.jinja")
# a table holds no HTML and leads nowhere, whatever names there are in the data
TABLE = (
    MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "image", "autolink", "reference"])
)
# heading -> the table of metrics/tables/ below it
TABLES = {
    "Differences and their significance": "significance",
    "Within categories and groups": "within",
    "Shortcuts": "shortcuts",
    "Uncertainty": "uncertainty",
    "Probes of h": "probes",
    "All agreement metrics": "agreement",
}
# the same for each evaluation set, of metrics/sets/<set>/tables/
SET_TABLES = {"agreement with listeners": "table1", "differences and their significance": "significance"}
# picture of plots/figures/ -> what it shows
PICTURES = {
    "errors": "Error by category: which kind of clip a strategy gets wrong, and in which direction.",
    "granularity": "K ablation (paper, Fig. 5): difference to the baseline by the number of domains.",
    "calibration": "Calibration: the share of eval clips inside intervals that should hold a given share.",
    "training": "Training: losses, and how well the domain classifier reads the domain.",
    "composition": "What the clusters are made of: sources by K-means cluster.",
    "terrain": "Quality terrain (paper, Fig. 4): mean rating over the two UMAP coordinates of h.",
    "planted": "How source and score go together in the train clips.",
    "slopes": "How far predictions follow a source's signature alone. 0 is best.",
}

# ending of a picture plots/figures/backbones_<baseline> -> what it shows
BACKBONES = {
    "": "Both backbones (paper, Fig. 2): differences to the baseline of the same backbone; fine-tuned: {}.",
    "_training": "Fine-tuning of {} and its rivals: losses, domain accuracy, and how hard the adversaries pull.",
}


def build_report(params: Params, findings: Findings, details: Path, metrics: Path, plots: Path) -> str:
    """Write the page of one run.

    Args:
        params: of the run.
        findings: of the run.
        details: folder of the numbers.
        metrics: folder of the tables.
        plots: folder of the pictures.

    Returns:
        HTML that loads nothing from elsewhere: pictures are inside.

    Raises:
        DatmosError: a number that a sentence needs is missing.
        FileNotFoundError: a table or picture is missing.
    """
    figures = {f"figures/{name}.png": caption for name, caption in PICTURES.items()}
    umap = {
        f"figures/umap_{name}.png": f"h of {name} in the plane (UMAP; paper, Fig. 3), {params.umap.split} clips."
        for name in params.umap.strategies
    }
    backbones = {
        f"figures/backbones_{name}{suffix}.png": caption.format(name)
        for name in params.finetune.baselines
        for suffix, caption in BACKBONES.items()
    }
    numbered = plots / "figures" / NUMBERED
    pictures = [_picture(plots, name, caption) for name, caption in (figures | umap | backbones).items()]
    data, tables = (
        read_json(details / "manifest.json"),
        {heading: metrics / f"tables/{name}.md" for heading, name in TABLES.items()},
    )
    for name in params.evaluation_sets:
        folder = metrics / "sets" / name
        data[f"eval: {name}"] = read_json(folder / "manifest.json")["eval"]
        own = {heading: folder / f"tables/{table}.md" for heading, table in SET_TABLES.items()}
        tables |= {f"Evaluation set {name}: {heading}": path for heading, path in own.items()}
    return (
        Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
        .from_string(TEMPLATE.read_text(encoding="utf-8"))
        .render(
            params=params,
            # embed says how, not what: nothing of it changes a result
            settings=yaml.safe_dump(
                params.model_dump(mode="json", by_alias=True, exclude={"embed"}), sort_keys=False
            ),
            data=data,
            answer=findings.answer(),
            forest=_picture(plots, "figures/forest.png", f"Differences from {params.evaluate.baseline}."),
            table1=_table(metrics / "tables/table1.md"),
            strategies=_table(metrics / "tables/summary.md"),
            tables={heading: _table(path) for heading, path in tables.items()},
            pictures=pictures,
            names=read_json(numbered) if numbered.exists() else {},
            versions=_versions(),
        )
    )


def _picture(plots: Path, name: str, caption: str) -> dict[str, str]:
    return {"name": name, "caption": caption, "data": base64.b64encode((plots / name).read_bytes()).decode()}


def _table(path: Path) -> Markup:
    """Turn a markdown table into HTML."""
    text = path.read_text(encoding="utf-8").replace("\n## ", "\n#### ")  # below the report's own headings
    return Markup(TABLE.render(text))


def _versions() -> Mapping[str, Any]:
    """Return the versions of Python and of what datmos needs to run."""
    direct = [re.split(r"[^\w.-]", line)[0] for line in requires("datmos") or [] if "extra ==" not in line]
    return {"Python": platform.python_version()} | {name: version(name) for name in sorted(direct)}
