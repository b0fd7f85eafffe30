"""Published rating corpora whose layout `datmos ratings-from` knows."""

from typing import NamedTuple


class Corpus(NamedTuple):
    """What is in one."""

    aspects: tuple[str, ...]
    scale: tuple[float, float]  # lowest and highest rating
    expects: str  # what the folder holds, for messages


NISQA_ASPECTS = {"mos": "MOS", "noi": "NOI", "dis": "DIS", "col": "COL", "loud": "LOUD"}
CORPORA = {
    "nisqa": Corpus(
        tuple(NISQA_ASPECTS.values()), (1, 5), "the unpacked NISQA Corpus, with NISQA_corpus_file.csv"
    ),
    "voicemos": Corpus(
        ("MOS",), (1, 5),
        "DATA/ of VoiceMOS 2022's main track, with sets/train_mos_list.txt, val_ and test_mos_list.txt, and wav/",
    ),
}  # fmt: skip
READERS = {  # a folder -> columns of ratings.csv
    "nisqa": "datmos.datasets.converters.read_nisqa",
    "voicemos": "datmos.datasets.converters.read_voicemos",
}
