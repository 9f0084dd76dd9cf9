"""The YAML at the head of a card, by which a hub lists a model: languages, task, licence, scores."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from synthst.multilingual import SEVERAL
from synthst.pack.scores import Scores

TASKS = {"mt": "text translation", "st": "speech translation", "asr": "speech recognition"}
# The hub has no pipeline for speech translation. Recognition has the same input and output, audio and text;
# with translation its page would ask for text, which the model cannot read. The tag says what it is.
PIPELINES = {"mt": "translation", "st": "automatic-speech-recognition", "asr": "automatic-speech-recognition"}
TAGS = {"mt": [], "st": ["speech-translation"], "asr": []}
SCORED = {"mt": "translation", "st": "translation", "asr": "automatic-speech-recognition"}
METRICS = {"BLEU": "bleu", "chrF2": "chrf", "WER": "wer"}
"""The hub's names of metrics."""
LICENCES = """
apache-2.0 mit afl-3.0 artistic-2.0 bsl-1.0 bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc0-1.0
cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0
cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0
cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0 ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1
agpl-3.0 gpl-2.0 gpl-3.0 lgpl-2.1 lgpl-3.0 isc lppl-1.3c ms-pl mpl-2.0 odc-by odbl osl-3.0 pddl
postgresql ofl-1.1 ncsa unlicense wtfpl zlib
"""
"""The hub's names of licences: SPDX's in lower case, as a rule."""
_FAMILIES = {"gfdl": "gfdl", "odc-by": "odc-by", "odbl": "odbl", "pddl": "pddl"}
"""By the beginning of SPDX's name, those that the hub gives without the version."""


def write_front_matter(
    name: str, task: str, languages: Sequence[str], *, licence: str | None, scores: Scores
) -> str:
    """Return the block of a model between its lines of hyphens."""
    found: dict[str, Any] = {
        "language": list(dict.fromkeys(_name_language(lang) for lang in languages)),
        "pipeline_tag": PIPELINES[task],
        "library_name": "synthst",
        "tags": ["espnet", "synthst", *TAGS[task]],
        **(name_licence(licence) if licence else {}),
    }
    if results := list_results(task, scores):
        measured = [metric["type"] for one in results for metric in one["metrics"]]
        found["metrics"] = list(dict.fromkeys(measured))
        found["model-index"] = [{"name": name, "results": results}]
    told = yaml.safe_dump(found, sort_keys=False, allow_unicode=True, default_flow_style=None, width=1000)
    return f"---\n{told}---\n"


def _name_language(lang: str) -> str:
    """Return the hub's code: without country and script, and without our name of several languages."""
    return "multilingual" if lang == SEVERAL else re.split("[-_@]", lang)[0]


def name_licence(licence: str) -> dict[str, str]:
    """Return the hub's name of a licence, or other and a name made of the given one.

    SPDX tells version 2 "only" from "or later", which the hub cannot.
    """
    spdx = re.sub(r"[^a-z0-9.+]+", "-", licence.lower()).strip("-")
    known = re.sub(r"-(only|or-later)$|\+$", "", spdx)
    known = next((short for begin, short in _FAMILIES.items() if known.startswith(begin)), known)
    if known in {*LICENCES.split(), *_FAMILIES.values()}:
        return {"license": known}
    return {"license": "other", "license_name": spdx or "unnamed"}


def list_results(task: str, scores: Scores) -> list[Mapping[str, Any]]:
    """Return an entry of the hub's model-index for every test set, with its scores and their signatures."""
    return [
        {
            "task": {"type": SCORED[task], "name": TASKS[task]},
            "dataset": {"type": test_set, "name": test_set},
            "metrics": [
                {
                    "type": METRICS[one.name],
                    "value": round(one.score, 1),
                    "name": one.name,
                    "args": {"signature": one.signature},
                }
                for one in metrics
                if one.name in METRICS
            ],
        }
        for test_set, metrics in scores.items()
        if any(one.name in METRICS for one in metrics)
    ]
