"""What a stranger reads in a card: how to use the model, what it is for, and nothing of the maker's disk."""

import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import soundfile
import yaml
from toy_packed import change_train, copy_model, trained_on
from toy_speech import RATE, make_speech_task, speak
from toy_task import make_task, write_pairs

from synthst.datadir import text_path, write_info
from synthst.espnet import settings
from synthst.espnet.settings import claim_folder, read_versions
from synthst.espnet.speech_load import load_speech_model
from synthst.espnet.speech_train import train_speech_translator
from synthst.espnet.train import train_model
from synthst.pack.command import pack
from synthst.pack.scores import read_rivals
from synthst.packfile import unpack
from synthst.score import score_system
from synthst.versions import describe_versions

pytestmark = pytest.mark.usefixtures("one_thread", "cache")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a tiny model of text."""
    folder = tmp_path_factory.mktemp("text")
    train_model(out=folder / "mt", **make_task(folder), labels={"targets": "real", "subset": None})
    return folder / "mt"


@pytest.fixture
def model(trained: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may change."""
    return copy_model(trained, tmp_path / "exp/mt_1x1_synth")


def make_corpus(out: Path, **options: object) -> Path:
    write_pairs(out, [("One.", "Eins.")])
    write_info(out, {"step": "prepare_libreoffice", **options}, counts={"kept": 1})
    return out


def make_several(out: Path, *pairs: str, src: str, tgt: str) -> Path:
    """Make a set of several pairs' sentences as `combine_pairs` does."""
    places = {}
    for pair in pairs:
        first, second = pair.split("-")
        places[pair] = make_corpus(out.parent / pair / "train", src=first, tgt=second, max_words=25)
    write_pairs(out, [("One.", "Eins.")])
    made_by = {"step": "combine_pairs", "pairs": places, "src": src, "tgt": tgt}
    write_info(out, made_by, parents=list(places.values()))
    return out


def card_of(model: Path, out: Path) -> str:
    pack(model, out / "pack.zip")
    unpack(out / "pack.zip", out / "unpacked")
    return (out / "unpacked/README.md").read_text(encoding="utf-8")


def front_matter(card: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(card.split("---")[1])
    return found


def run_snippet(card: str, pack: Path) -> str:
    """Run the card's Python as a reader would who wrote the file's name in; return what it prints."""
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code.replace("FILE", str(pack)), {})
    return printed.getvalue()


def test_the_snippet_of_a_text_model_translates(model: Path, tmp_path: Path) -> None:
    from synthst.espnet.load import load_model
    from synthst.espnet.search import SearchOptions
    from synthst.espnet.translate import translate_sentences

    card = card_of(model, tmp_path)
    ((best, *_),) = translate_sentences(load_model(model), ["A sentence."], SearchOptions(beam=4))
    assert run_snippet(card, tmp_path / "pack.zip") == f"{best.text}\n"


def test_the_card_of_a_speech_model_is_tagged_and_its_snippet_translates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synthst.espnet.speech_search import SearchOptions, search_speech

    model, wav = tmp_path / "exp/st", speak("a red cat sings")
    train_speech_translator(out=model, **make_speech_task(tmp_path))
    card = card_of(model, tmp_path)
    about = front_matter(card)
    assert about["tags"] == ["espnet", "synthst", "speech-translation"]
    assert about["pipeline_tag"] == "automatic-speech-recognition"
    assert "ESPnet loads it" not in card  # its subsampling is narrower than ESPnet can build
    soundfile.write(tmp_path / "speech.wav", wav, RATE, subtype="FLOAT")
    monkeypatch.chdir(tmp_path)
    trained = load_speech_model(model)
    options = SearchOptions(beam=4, max_ratio=0.5)
    (found,) = search_speech(trained.model, [("speech", wav)], options, rate=RATE)
    wanted = trained.tgt_tokenizer.decode(found.hypotheses[0].tokens)
    assert run_snippet(card, tmp_path / "pack.zip") == f"{wanted}\n"


@pytest.mark.parametrize(
    ("pairs", "sides", "languages", "told"),
    [
        (("en-de", "en-fr"), ("en", "mul"), ["en", "de", "fr"], "one of `<2de>`, `<2fr>`, and a blank"),
        (("de-en", "fr-en"), ("mul", "en"), ["de", "fr", "en"], "Put `<2en>`, the tag of the language"),
    ],
)
def test_the_card_of_several_pairs_lists_languages_and_says_how_to_choose_one(
    model: Path,
    tmp_path: Path,
    pairs: tuple[str, ...],
    sides: tuple[str, str],
    languages: list[str],
    told: str,
) -> None:
    src, tgt = sides
    data = make_several(tmp_path / "data/all", *pairs, src=src, tgt=tgt)
    trained_on(model, data, src=src, tgt=tgt)
    card = card_of(model, tmp_path)
    assert front_matter(card)["language"] == languages
    assert f"text translation, {', '.join(pair.replace('-', ' to ') for pair in pairs)}: " in card
    first = "<2de>" if tgt == "mul" else "<2en>"
    assert told in card and f'["{first} A sentence."]' in card and f'echo "{first} A sentence."' in card


def test_a_card_names_corpora_and_no_folder_of_the_maker(model: Path, tmp_path: Path) -> None:
    trained_on(model, make_several(tmp_path / "data/all", "en-de", "en-fr", src="en", tgt="mul"), tgt="mul")
    card = card_of(model, tmp_path)
    assert str(tmp_path) not in card and tmp_path.parts[1] + "/" not in card
    assert "- **LibreOffice's help texts, en-fr**, `en-fr/train`: prepare_libreoffice (" in card
    assert "pairs: {'en-de': 'en-de/train', 'en-fr': 'en-fr/train'}" in card


def test_a_card_says_what_the_model_is_for_and_where_it_ends(model: Path, tmp_path: Path) -> None:
    trained_on(model, make_several(tmp_path / "data/all", "en-de", "en-fr", src="en", tgt="mul"), tgt="mul")
    (model / "decode_test").mkdir()
    decode = {"sentences": 1500, "cut_off": 12, "seconds": 1.5}
    (model / "decode_test/decode.json").write_text(json.dumps(decode), encoding="utf-8")
    limits = card_of(model, tmp_path).split("## Intended use and limitations\n\n")[1].split("\n\n")[0]
    assert limits.split("\n") == [
        "- For single sentences of the kind it learnt from: LibreOffice's help texts, en-de; "
        "LibreOffice's help texts, en-fr.",
        "- On other kinds of text nothing is known of it.",
        "- It learnt from human translations only.",
        "- Its translations have been neither scored nor judged by people, as far as is recorded.",
        "- Its training sentences have at most 25 words.",
        "- A translation is cut off at about 1.5 times the tokens of its source and 10 more, unless the "
        "search is told otherwise.",
        "- Of the outputs for the test set test, 12 of 1,500 were cut off at the limit.",
    ]


def decode(model: Path, lines: str, reference: Path) -> None:
    """Let ``model`` have decoded a test set, and score it."""
    hyp = text_path(model / "decode_test", "de")
    hyp.parent.mkdir()
    hyp.write_text(lines, encoding="utf-8")
    score_system(hyp, reference, hyp.with_name("scores.json"), tgt="de")


def test_scores_stand_beside_those_of_the_teacher_and_of_real_targets(
    model: Path, trained: Path, tmp_path: Path
) -> None:
    names = ("mt_1x1_real", "mt_1x1_real_less", "teacher_own")
    real, smaller, teacher = (copy_model(trained, tmp_path / "exp" / name) for name in names)
    train = change_train(model, targets="synth", student="1x1", subset=200)
    change_train(real, targets="real", student="1x1", subset=200)
    change_train(smaller, targets="real", student="1x1", subset=100)
    reference = text_path(write_pairs(tmp_path / "test", [("x", "a b c d e f"), ("y", "g h i j k")]), "de")
    assert read_rivals(model, train, [teacher]) == {}
    decode(model, "u000000 a b c d x y\nu000001 g h i j k\n", reference)
    decode(teacher, "u000000 a b c d e f\nu000001 g h i j k\n", reference)
    for other in (real, smaller):
        decode(other, "u000000 a b c d x y\nu000001 z z z z z\n", reference)
    found = read_rivals(model, train, [teacher])
    bleu = {name: round(scores["test"][0].score) for name, scores in found.items()}
    assert bleu.keys() == {"teacher (own)", "the same on real targets"} and bleu["teacher (own)"] == 100
    trained_on(model, make_corpus(tmp_path / "data"))
    card = card_of(model, tmp_path)
    assert "nothing is known of it but the scores on the test sets below." in card
    assert "| test set | metric | this model | the same on real targets | signature |" in card
    wanted = f"| {found['the same on real targets']['test'][0].score:.1f} | nrefs:1"
    assert re.search(rf"\| test \| BLEU \| [\d.]+ {re.escape(wanted)}", card)

    other = text_path(write_pairs(tmp_path / "other", [("x", "a b c d e f"), ("y", "g h i j l")]), "de")
    (real / "decode_test/scores.json").unlink()
    score_system(text_path(real / "decode_test", "de"), other, real / "decode_test/scores.json", tgt="de")
    assert read_rivals(model, train, []) == {}  # those are of other references


def test_a_card_tells_the_versions_that_trained_and_those_that_packed(model: Path, tmp_path: Path) -> None:
    now = ", ".join(f"{name} {version}" for name, version in describe_versions().items())
    assert card_of(model, tmp_path).endswith(f"- training: {now}\n- packing: {now}\n")
    train = change_train(model, versions=[{"torch": "1", "commit": "aaa"}, {"torch": "2", "commit": "bbb"}])
    wanted = f"- training: torch 1, commit aaa\n- training: torch 2, commit bbb\n- packing: {now}\n"
    assert card_of(model, tmp_path / "later").endswith(wanted)
    del train["versions"]  # as older releases wrote it
    (model / "train.json").write_text(json.dumps(train), encoding="utf-8")
    assert card_of(model, tmp_path / "older").endswith(f"- training: not recorded\n- packing: {now}\n")


def test_a_training_that_goes_on_with_other_versions_notes_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for commit in ("aaa", "aaa", "bbb"):
        monkeypatch.setattr(settings, "describe_versions", lambda commit=commit: {"commit": commit})
        claim_folder(tmp_path, {"seed": 1})
    assert read_versions(tmp_path) == [{"commit": "aaa"}, {"commit": "bbb"}]
