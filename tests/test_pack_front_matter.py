"""What a hub reads at the head of a card."""

from typing import Any

import pytest
import yaml

from synthst.pack.front_matter import name_licence, write_front_matter
from synthst.score import MetricScore

BLEU = MetricScore("BLEU", 27.4567, "nrefs:1|case:mixed", "BLEU = 27.5")
CHRF = MetricScore("chrF2", 54.04, "nrefs:1|nc:6", "chrF2 = 54.0")
SCORES = {"test": [BLEU, CHRF], "wmt21": [BLEU, CHRF]}


def read(text: str) -> dict[str, Any]:
    assert text.startswith("---\n") and text.endswith("---\n")
    found: dict[str, Any] = yaml.safe_load(text.strip("-\n"))
    return found


@pytest.mark.parametrize(
    ("licence", "known"),
    [
        ("CC-BY-4.0", "cc-by-4.0"),
        ("cc by-sa 3.0", "cc-by-sa-3.0"),
        ("Apache-2.0", "apache-2.0"),
        ("MIT", "mit"),
        ("MPL-2.0", "mpl-2.0"),
        ("GPL-2.0-or-later", "gpl-2.0"),
        ("GPL-3.0-only", "gpl-3.0"),
        ("ODbL-1.0", "odbl"),
        ("GFDL-1.3-or-later", "gfdl"),
    ],
)
def test_a_licence_that_the_hub_knows_has_the_hub_s_name(licence: str, known: str) -> None:
    assert name_licence(licence) == {"license": known}


@pytest.mark.parametrize(
    ("licence", "name"),
    [
        ("my own licence", "my-own-licence"),
        ("CC-BY-9.9", "cc-by-9.9"),
        ("CC-BY-4.0 or Apache-2.0, by model", "cc-by-4.0-or-apache-2.0-by-model"),
        ("MIT-like: ask", "mit-like-ask"),
    ],
)
def test_any_other_licence_is_other_and_has_a_name(licence: str, name: str) -> None:
    assert name_licence(licence) == {"license": "other", "license_name": name}


def test_scores_are_in_the_index_with_their_signatures() -> None:
    found = read(write_front_matter("mt_2x2", "mt", ["en", "de"], licence="MIT", scores=SCORES))
    assert found["language"] == ["en", "de"] and found["pipeline_tag"] == "translation"
    assert found["metrics"] == ["bleu", "chrf"]
    (index,) = found["model-index"]
    assert index["name"] == "mt_2x2" and [one["dataset"]["name"] for one in index["results"]] == [*SCORES]
    assert index["results"][0]["task"] == {"type": "translation", "name": "text translation"}
    signed = {"args": {"signature": "nrefs:1|case:mixed"}}
    assert index["results"][0]["metrics"][0] == {"type": "bleu", "value": 27.5, "name": "BLEU"} | signed


def test_what_is_not_known_is_left_out() -> None:
    found = read(write_front_matter("mt", "mt", ["en", "de"], licence=None, scores={}))
    assert found.keys() == {"language", "pipeline_tag", "library_name", "tags"}


def test_a_hub_s_language_is_a_code_without_country_and_no_truth_value() -> None:
    found = read(write_front_matter("mt", "mt", ["pt-BR", "no", "pt", "mul"], licence=None, scores={}))
    assert found["language"] == ["pt", "no", "multilingual"]


@pytest.mark.parametrize("task", ["mt", "st"])
def test_the_hub_s_own_library_reads_it(task: str) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="it comes with transformers")
    front = write_front_matter("a_model", task, ["en", "de"], licence="my own", scores=SCORES)
    data = hub.ModelCard(f"{front}\n# A model\n").data
    assert (data.license, data.license_name, data.model_name) == ("other", "my-own", "a_model")
    scores = [(one.dataset_name, one.metric_type, one.metric_value) for one in data.eval_results]
    assert scores == [(name, *one) for name in SCORES for one in (("bleu", 27.5), ("chrf", 54.0))]
