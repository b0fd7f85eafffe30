"""What the paper has published (arXiv 2603.16201, Table I), to be shown beside a run on its data."""

# row -> aspect -> MSE, SRCC of 36 systems; None: not given. The first three rows are cited there from their papers
TABLE_1: dict[str, dict[str, tuple[float | None, float | None]]] = {
    "QAMRO": {"PQ": (None, 0.883), "PC": (None, 0.942), "CE": (None, 0.869), "CU": (None, 0.852)},
    "DRASP": {"PQ": (None, 0.900), "PC": (None, 0.936), "CE": (None, 0.890), "CU": (None, 0.911)},
    "AESA-Net": {"PQ": (0.635, 0.896), "PC": (0.198, 0.928), "CE": (3.991, 0.904), "CU": (0.533, 0.894)},
    "MultiGauss": {"PQ": (0.557, 0.942), "PC": (1.093, 0.947), "CE": (1.841, 0.938), "CU": (0.945, 0.961)},
    "+ L2": {"PQ": (0.472, 0.941), "PC": (0.962, 0.944), "CE": (1.634, 0.945), "CU": (0.874, 0.962)},
    "+ High Dropout": {"PQ": (0.649, 0.944), "PC": (1.894, 0.945), "CE": (2.182, 0.965), "CU": (1.060, 0.947)},
    "+ DAT-Source": {"PQ": (0.413, 0.940), "PC": (0.747, 0.969), "CE": (1.581, 0.967), "CU": (0.855, 0.959)},
    "+ DAT-Kmeans": {"PQ": (0.479, 0.953), "PC": (0.928, 0.945), "CE": (1.605, 0.952), "CU": (0.835, 0.963)},
    "+ DAT-Random": {"PQ": (0.390, 0.941), "PC": (0.945, 0.958), "CE": (1.689, 0.961), "CU": (0.789, 0.959)},
}
