"""Who wrote the targets that a model learnt from, as far as its lineage records it."""

import re
from collections.abc import Sequence
from typing import Literal

from synthst.pack.lineage import Origin

Writer = Literal["teacher", "people", "imported", "unrecorded"]

REFERENCES = {
    "prepare_libreoffice",
    "prepare_wesnoth",
    "prepare_descriptions",
    "prepare_handbook",
    "prepare_steel_sky",
    "prepare_asterisk",
    "prepare_commonvoice",
    "prepare_covost",
    "prepare_tedlium",
    "prepare_mustc",
    "prepare_iwslt",
    "fetch_test_set",
}
"""Steps that read a corpus whose texts and translations people wrote."""
IMPORTS = {"import_pairs", "import_lhotse", "prepare_bitext"}
"""Steps that take texts as they come: a user's own, or the web's, which a machine may have translated."""
KEEPING = {
    "filter_pairs",
    "subset_datadir",
    "exclude_datadir",
    "combine_datadirs",
    "combine_pairs",
    "select_transcripts",
    "speak_datadir",
    "check_speech",
    "resegment",
}
"""Steps that leave targets as they were in the directories that they read."""
_REAL = re.compile(r"(real|teacher)\b")


def find_writer(origins: Sequence[Origin], label: str | None, *, is_taught: bool) -> Writer:
    """Tell who wrote the targets of ``origins``, which a training with the label ``label`` learnt from.

    "people" and "imported" are said only when every directory is known and the label does not contradict.
    """
    if is_taught:
        return "teacher"
    steps = {origin.step for origin in origins}
    is_known = all(one.step in (REFERENCES | IMPORTS if one.is_corpus else KEEPING) for one in origins)
    if not origins or not is_known or not (label is None or _REAL.match(label)):
        return "unrecorded"
    return "imported" if steps & IMPORTS else "people"


def describe_writer(writer: Writer, task: str, label: str | None) -> str:
    """Return what the limits of a model say of its targets."""
    output = "transcripts" if task == "asr" else "translations"
    if writer == "teacher":
        return "It learnt from translations that a teacher model wrote, with that model's errors."
    if writer == "people":
        return f"It learnt from human {output} only."
    if writer == "imported":
        return f"It learnt from {output} as imported; who wrote the {output} is not recorded."
    labelled = f" Its training calls them {label}." if label else ""
    return f"Who wrote the {output} that it learnt from is not recorded.{labelled}"


def describe_no_teacher(writer: Writer) -> str:
    """Return what stands in the place of a teacher for a model that has none."""
    if writer == "people":
        return "None: it learnt from human references.\n"
    if writer == "imported":
        return "None is recorded: it learnt from targets as imported; who wrote them is not recorded.\n"
    return "Not recorded.\n"
