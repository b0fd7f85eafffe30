"""The kinds of head. A new one is a class (see `datmos.heads.interface.Head`), one line here, one in params.py."""

from typing import Any

from datmos.heads.aesa import AesaNetStyle
from datmos.heads.aspect_groups import AspectGroups
from datmos.heads.drasp import Drasp
from datmos.heads.multigauss import MultiGauss

HEADS: dict[str, Any] = {
    "multigauss": MultiGauss,
    "drasp": Drasp,
    "aesa": AesaNetStyle,
    "aspect_groups": AspectGroups,
}
