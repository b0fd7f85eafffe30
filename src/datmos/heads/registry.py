"""The kinds of head. A new one is a class (see `datmos.heads.interface.Head`) and a line here."""

HEADS = {
    "statistics": "datmos.heads.statistics.Statistics",
    "multigauss": "datmos.heads.multigauss.MultiGauss",
    "drasp": "datmos.heads.drasp.Drasp",
    "aesa": "datmos.heads.aesa.AesaNetStyle",
}
WITHOUT_FRAMES = ("statistics",)  # read statistics alone
ERASABLE = ("statistics", "multigauss")  # erasure works with them
