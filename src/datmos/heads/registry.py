"""The kinds of head. A new one is a class (see `datmos.heads.interface.Head`) and a line here."""

HEADS = {
    "multigauss": "datmos.heads.multigauss.MultiGauss",
    "drasp": "datmos.heads.drasp.Drasp",
    "aesa": "datmos.heads.aesa.AesaNetStyle",
    "aspect_groups": "datmos.heads.aspect_groups.AspectGroups",
}
