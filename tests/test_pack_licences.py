"""A card names every corpus with its licence: none hides behind another of the same command."""

import gzip
from pathlib import Path

import pytest
from toy_task import write_pairs

from synthst.corpora.bitext import Corpus, prepare_bitext
from synthst.datadir import write_info
from synthst.errors import ConfigError
from synthst.pack.licences import (
    NOT_STATED,
    STATED,
    Licence,
    find_corpus_licences,
    find_teacher_licence,
    read_licences,
)
from synthst.pack.lineage import trace_directories
from synthst.pack.names import name_teacher_place, shorten_paths, with_short_paths

LICENCES = Path(__file__).parents[1] / "conf/licences.yaml"


def make_corpus(out: Path, step: str, *, licence: str | None = None, **options: object) -> Path:
    """Make a data directory as a command ``step`` would have made it with these options."""
    write_pairs(out, [("One.", "Eins.")])
    write_info(out, {"step": step, **options}, **({"licence": licence} if licence else {}))
    return out


def licences_of(*data: Path) -> dict[str, str]:
    found = find_corpus_licences(trace_directories(list(data)), read_licences(LICENCES))
    assert len({one.of for one in found}) == len(found)
    return {one.of: one.licence for one in found}


def test_corpora_that_one_step_made_side_by_side_keep_their_own_licences(tmp_path: Path) -> None:
    pair = {"src": "en", "tgt": "de"}
    layouts = {"mustc": "CC-BY-NC-ND-4.0", "st_ted": "TED's, CC-BY-NC-ND", "europarl_st": "CC-BY-NC-4.0"}
    for layout, licence in layouts.items():
        make_corpus(tmp_path / layout, "prepare_mustc", licence=licence, layout=layout, **pair)
    assert licences_of(*(tmp_path / layout for layout in layouts)) == {
        "MuST-C, en-de": "CC-BY-NC-ND-4.0",
        "ST-TED, en-de": "TED's, CC-BY-NC-ND",
        "Europarl-ST, en-de": "CC-BY-NC-4.0",
    }


def test_corpora_of_one_name_with_two_licences_are_two_rows(tmp_path: Path) -> None:
    for number, licence in enumerate(["CC0-1.0", "CC-BY-4.0", "CC0-1.0"]):
        make_corpus(tmp_path / f"{number}/train", "prepare_wesnoth", licence=licence)
    found = find_corpus_licences(trace_directories([tmp_path / f"{n}/train" for n in range(3)]), {})
    name = "texts of the game Battle for Wesnoth"
    assert found == [Licence(name, "CC0-1.0", STATED), Licence(name, "CC-BY-4.0", STATED)]


def test_every_corpus_of_every_pair_of_bitext_has_a_row(tmp_path: Path) -> None:
    for pair, corpora in {
        "en-de": {"europarl.de": "free", "rapid": "CC-BY-4.0"},
        "en-fr": {"europarl.fr": "free", "giga": ""},
    }.items():
        src, tgt = pair.split("-")
        chosen = {}
        for name, one in corpora.items():
            with gzip.open(tmp_path / f"{name}.tsv.gz", "wt", encoding="utf-8") as file:
                file.write("One.\tTwo.\n")
            files = (f"{name}.tsv.gz",)
            chosen[name] = Corpus("train", licence=one, files=files, form="tsv", langs=pair)
        prepare_bitext(tmp_path / pair / "corpus", src=src, tgt=tgt, downloads=tmp_path, corpora=chosen)
    assert licences_of(tmp_path / "en-de/corpus/train", tmp_path / "en-fr/corpus/train") == {
        "europarl.de": "free",
        "rapid": "CC-BY-4.0",
        "europarl.fr": "free",
        "giga": NOT_STATED,
    }


def test_manifests_of_lhotse_are_no_weights_and_their_licence_is_the_corpus(tmp_path: Path) -> None:
    pytest.importorskip("lhotse", reason="lhotse is an optional extra")
    from toy_asr import write_librispeech

    from synthst.corpora.asr import prepare_asr

    write_librispeech(tmp_path / "LibriSpeech", "train-clean-100", ["Hello there."])
    prepare_asr(
        tmp_path / "LibriSpeech", tmp_path / "data/libri", corpus="librispeech", parts=["train-clean-100"]
    )
    origins = trace_directories([tmp_path / "data/libri"])
    assert [(origin.step, origin.is_corpus) for origin in origins] == [
        ("combine_datadirs", False),
        ("import_lhotse", True),
    ]
    assert licences_of(tmp_path / "data/libri") == {"data/libri_train-clean-100": "CC-BY-4.0"}


def test_licences_are_the_corpus_own_or_those_of_its_step_or_not_stated(tmp_path: Path) -> None:
    own = make_corpus(tmp_path / "a/train", "prepare_libreoffice", licence="CC0-1.0", src="en", tgt="de")
    step = make_corpus(tmp_path / "b/train", "prepare_libreoffice", src="en", tgt="fr")
    other = write_pairs(tmp_path / "c", [("one", "eins")])
    assert licences_of(own, step, other) == {
        "LibreOffice's help texts, en-de": "CC0-1.0",
        "LibreOffice's help texts, en-fr": "MPL-2.0",
        f"{tmp_path.name}/c": NOT_STATED,
    }


@pytest.mark.parametrize(
    ("teacher", "licence"),
    [
        ("hf:facebook/NLLB-200-3.3B", "CC-BY-NC-4.0"),
        ("hf:facebook/wmt19-en-de", "Apache-2.0"),
        ("hf:Helsinki-NLP/opus-mt-en-de", "CC-BY-4.0"),
        ("hf:Helsinki-NLP/opus-mt-en-ru", "Apache-2.0"),
        ("hf:Helsinki-NLP/opus-mt-en-xx", "CC-BY-4.0 or Apache-2.0, by model"),
        ("hf:nobody/nothing", NOT_STATED),
    ],
)
def test_teachers_that_the_recipes_name_have_their_licence(teacher: str, licence: str) -> None:
    found = find_teacher_licence(teacher, read_licences(LICENCES))
    assert (found.of, found.licence) == (teacher, licence)
    assert bool(found.stated) == (licence != NOT_STATED)


@pytest.mark.parametrize("text", ["corpus: {}", "corpora: {a: MIT}", "corpora: {a: {stated: x}}", "- a"])
def test_a_file_of_licences_in_another_form_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "licences.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"licences\.yaml"):
        read_licences(tmp_path / "licences.yaml")


def test_paths_are_shown_by_the_shortest_end_that_tells_them_apart() -> None:
    paths = [Path("/home/me/de/corpus/train"), Path("/home/me/fr/corpus/train"), Path("data/dev"), Path("x")]
    short = shorten_paths(paths)
    assert list(short.values()) == ["de/corpus/train", "fr/corpus/train", "data/dev", "x"]
    options = {"pairs": {"de-en": str(paths[0])}, "sets": [str(paths[1])], "size": 3, "other": "train"}
    assert with_short_paths(options, short) == {
        "pairs": {"de-en": "de/corpus/train"},
        "sets": ["fr/corpus/train"],
        "size": 3,
        "other": "train",
    }


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ct2:/home/me/models/nllb", "ct2:models/nllb"),
        ("espnet:../exp/teacher", "espnet:exp/teacher"),
        ("hf:facebook/wmt19-en-de", "hf:facebook/wmt19-en-de"),
        ("teacher_own", "teacher_own"),
    ],
)
def test_a_teachers_place_on_the_makers_machine_is_cut_short(name: str, shown: str) -> None:
    assert name_teacher_place(name) == shown
