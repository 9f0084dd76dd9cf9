"""The recipe egs/libreoffice_multi/mt1 end to end: two pairs, a teacher each, one student, tags, averages."""

import json
import random
from pathlib import Path

import pytest
from conftest import RECIPE, Mt1, measured_sentences
from debs import make_help
from toy import SETTINGS, write_settings

from synthst.datadir import read_info
from synthst.tables import read_table
from synthst.tokens import Tokenizer, read_tokens

pytestmark = pytest.mark.recipe

MULTI_RECIPE = RECIPE.parents[1] / "libreoffice_multi/mt1"
SHORT = "training: {max_steps: 20, batch_tokens: 300, warmup_steps: 5, validate_every: 10, workers: 0}\n"
SMALL = "model: {encoder_layers: 1, decoder_layers: 1, width: 16, feedforward: 32, heads: 2}\n"
MULTI_SETTINGS = {
    "prepare": SETTINGS["prepare"],
    "tokenizers": "vocabulary_size: 420\n",
    "tokenizers_pair": "vocabulary_size: 400\n",
    "teacher": SMALL + SHORT,
    "student": "model: {width: 16, feedforward: 32, heads: 2}\n" + SHORT,
}


def make_packages(folder: Path) -> Path:
    """Write packages of three languages that differ in the letters' order only.

    A page's first sentence has no Spanish there, but on the next page, where it has no German.
    """
    rng = random.Random(1)
    words = sorted({"".join(rng.choice(c) for c in ("bdfgklmnprst", "aeiou") * 2) for _ in range(24)})
    pages: dict[str, dict[str, str]] = {"en": {}, "de": {}, "es": {}}
    first = "nothing"
    for page in range(100):
        texts = [" ".join(rng.choices(words, k=rng.randint(4, 7))) for _ in range(4)] + [first]
        for language, absent in (("en", None), ("de", 4), ("es", 0)):
            numbered = [(number, translate(text, language)) for number, text in enumerate(texts)]
            paragraphs = [
                f'<p id="par_{number}">{text}.</p>' for number, text in numbered if number != absent
            ]
            pages[language][f"shared/{page:03d}.html"] = "".join(paragraphs)
        first = texts[0]
    return make_help(folder, pages)


def translate(sentence: str, language: str) -> str:
    """Translate word by word into the toy languages."""
    words = {"en": str, "de": lambda word: word[::-1], "es": lambda word: word[1:] + word[0]}
    return " ".join(words[language](word) for word in sentence.split()).capitalize()


def read(path: Path) -> dict[str, str]:
    return dict(read_table(path))


@pytest.fixture(scope="module")
def multi(tmp_path_factory: pytest.TempPathFactory) -> Mt1:
    """The recipe after runs for real and synth, balanced."""
    choice = {"subset": "60", "others": "de es", "temperature": "inf"}
    recipe = Mt1(tmp_path_factory.mktemp("multi"), MULTI_RECIPE, choice)
    make_packages(recipe.folder / "debs")
    write_settings(recipe.folder / "conf", MULTI_SETTINGS)
    recipe.succeed("--targets", "real")
    recipe.succeed("--targets", "synth")
    return recipe


def test_one_student_learns_all_pairs_with_tags_and_is_scored_by_pair_and_on_average(multi: Mt1) -> None:
    data, exp = multi.work / "data/en-de_es-mini", multi.work / "exp/en-de_es-mini"
    names = {"real": "train_60_real", "synth": "train_60_synth_own_beam4"}
    real, synth = (data / f"{name}_tinf" for name in names.values())
    assert read(real / "text.en") == read(synth / "text.en")
    assert read(real / "utt2pair") == read(synth / "utt2pair")
    counts = read_info(synth)["counts"]
    assert counts == {
        "kept": 120,
        **{f"{kind}.{pair}": 60 for kind in ("rows", "distinct") for pair in ("en-de", "en-es")},
    }
    for pair in ("en-de", "en-es"):
        own = read(data / pair / names["synth"] / f"text.{pair[3:]}")
        assert {key: read(synth / "text.mul")[f"{pair}-{key}"] for key in own} == own

    tokenizer = Tokenizer(data / "tokenizers/en.model")
    tokens = read_tokens(data / f"tokens_{synth.name}", "en")
    for row, (pair, source) in enumerate(
        zip(read(synth / "utt2pair").values(), read(synth / "text.en").values(), strict=True)
    ):
        assert tokenizer.decode(tokens[row].tolist()) == f"<2{pair[3:]}> {source}"

    (entry,) = json.loads((multi.work / "results.json").read_text(encoding="utf-8")).values()
    found = {(row["targets"], row["test_set"]): row["bleu"] for row in entry["rows"]}
    assert found.keys() == {(targets, f"test_en-{tgt}") for targets in names for tgt in ("de", "es")}
    assert None not in found.values()
    results = (multi.work / "RESULTS.md").read_text(encoding="utf-8")
    for targets in names:
        de, es = (found[targets, f"test_en-{tgt}"] for tgt in ("de", "es"))
        assert f"| {targets} | 2x2 tinf | 60 | {de:.1f} | {es:.1f} | {(de + es) / 2:.1f} |\n" in results
    student = exp / "mt_2x2_train_60_synth_own_beam4_tinf"
    for tgt in ("de", "es"):
        translated = read(student / f"decode_test_en-{tgt}/text.mul")
        assert measured_sentences(student, f"test_en-{tgt}") == len(translated) > 0


@pytest.mark.parametrize("others", ["de", "de it", "de-es"])
def test_run_sh_refuses_other_languages_before_any_work(tmp_path: Path, others: str) -> None:
    done = Mt1(tmp_path, MULTI_RECIPE, {}).run("--others", others)
    assert (done.returncode, done.stdout) == (2, "")
    assert "wanted are two or more of: de es fr ru" in done.stderr
    assert not list(tmp_path.iterdir())
