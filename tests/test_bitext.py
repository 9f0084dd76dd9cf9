"""Published parallel corpora become data directories: by set, with bounds, by mtdata or by hand."""

import gzip
import os
import shlex
import shutil
import socket
import subprocess
import sys
from hashlib import md5
from pathlib import Path

import pytest
from sacrebleu.dataset import DATASETS
from toy_bitext import write_moses_zip, write_sgm, write_tsv, write_xml

from synthst.cli import main
from synthst.corpora.bitext import Corpus, prepare_bitext
from synthst.corpora.mtdata import fetch_recipe, languages_of, read_recipe
from synthst.datadir import read_info
from synthst.errors import ConfigError, DataError
from synthst.tables import read_table

PAIRS = [(f"Sentence {number} of words.", f"Satz {number} mit Worten.") for number in range(1, 8)]
EUROPARL, NEWSTEST = "Statmt-europarl-10-deu-eng", "Statmt-newstest_ende-2021-eng-deu"
RECIPE = f"- id: toy\n  langs: eng-deu\n  train: [{EUROPARL}]\n  test: {NEWSTEST}\n"


def read(path: Path) -> dict[str, str]:
    return dict(read_table(path))


def yandex(**options: object) -> Corpus:
    """A corpus for which one has to register, in the order de, en."""
    files = ("corpus.zip::corpus.de", "corpus.zip::corpus.en")
    defaults: dict[str, object] = {"set": "train", "files": files, "langs": "de-en"}
    return Corpus(**{**defaults, "where": "register at the publisher's", **options})  # type: ignore[arg-type]


def toy_mtdata(folder: Path) -> str:
    """Write a program that fills --out with what mtdata makes, and counts how often it is called."""
    program = folder / "toy_mtdata.py"
    program.write_text(
        f"""import gzip, os, pathlib, sys
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
assert (pathlib.Path(os.environ["MTDATA_RECIPES"]) / "mtdata.recipes.yml").read_text() == {RECIPE!r}
with open({str(folder / "calls")!r}, "a") as calls:
    calls.write("x")
pairs = {PAIRS!r}
for part, name, swap in (("train-parts", {EUROPARL!r}, True), ("tests", {NEWSTEST!r}, False)):
    (out / part).mkdir(exist_ok=True)
    for lang, column in (("eng", 0), ("deu", 1)):
        text = "".join(pair[column] + "\\n" for pair in pairs).encode()
        path = out / part / f"{{name}}.{{lang}}{{'.gz' if swap else ''}}"
        with (gzip.open if swap else open)(path, "wb") as file:
            file.write(text)
""",
        encoding="utf-8",
    )
    return f"{sys.executable} {program}"


def test_corpora_of_a_set_are_put_together_in_either_direction(tmp_path: Path) -> None:
    write_moses_zip(
        tmp_path / "corpus.zip", "corpus", ("de", "en"), [*((de, en) for en, de in PAIRS), ("", "x")]
    )
    write_tsv(tmp_path / "a.tsv.gz", [("One\x0bmore.", " Noch eins. "), ("Bell\x07", "Glocke"), ("", "leer")])
    corpora = {
        "yandex": yandex(licence="research only"),
        "a b": Corpus(set="train", files=("a.tsv.gz",), form="tsv", langs="en-de"),
    }
    for src, tgt in (("en", "de"), ("de", "en")):
        prepare_bitext(tmp_path / src, src=src, tgt=tgt, downloads=tmp_path, corpora=corpora)
        assert read(tmp_path / src / "train/text.en") == {
            "a-b_000000001": "One more.",
            **{f"yandex_{number:09d}": en for number, (en, _) in enumerate(PAIRS, 1)},
        }
        assert read(tmp_path / src / "train/text.de")["a-b_000000001"] == "Noch eins."
    info = read_info(tmp_path / "en/train")
    assert info["counts"] == {
        **{"read.a b": 3, "kept.a b": 1, "dropped_control_character.a b": 1, "dropped_empty.a b": 1},
        **{"read.yandex": 8, "kept.yandex": 7, "dropped_empty.yandex": 1, "kept": 8},
    }
    assert info["licence"] == "a b: not stated; yandex: research only"


def test_test_sets_of_one_direction_are_taken_in_that_only(tmp_path: Path) -> None:
    write_sgm(tmp_path, "newstest2020", ("en", "de"), PAIRS)
    write_xml(tmp_path / "newstest2021.xml", ("de", "en"), [pair[::-1] for pair in PAIRS[:3]])
    names = ("newstest2020-ende-src.en.sgm", "newstest2020-ende-ref.de.sgm")
    corpora = {
        "en20": Corpus(set="test", files=names, form="sgm", langs="en-de", only="en-de"),
        "de21": Corpus(set="test", files=("newstest2021.xml",), form="xml", langs="de-en", only="de-en"),
    }
    prepare_bitext(tmp_path / "a", src="en", tgt="de", downloads=tmp_path, corpora=corpora)
    assert list(read(tmp_path / "a/test/text.de").values()) == [de for _, de in PAIRS]
    prepare_bitext(tmp_path / "b", src="de", tgt="en", downloads=tmp_path, corpora=corpora)
    assert list(read(tmp_path / "b/test/text.en").values()) == [en for en, _ in PAIRS[:3]]


def test_all_files_that_must_be_put_there_are_told_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "r.yml").write_text(RECIPE, encoding="utf-8")
    corpora = {"yandex": yandex(), "other": yandex(files=("b.tsv",), form="tsv", where="a form")}
    with pytest.raises(DataError) as caught:
        prepare_bitext(
            tmp_path / "out",
            src="en",
            tgt="de",
            downloads=tmp_path,
            corpora=corpora,
            recipe=tmp_path / "r.yml",
            mtdata=toy_mtdata(tmp_path),
        )
    assert f"yandex: {tmp_path}/corpus.zip" in str(caught.value)
    assert "(register at the publisher's)" in str(caught.value) and "b.tsv (a form)" in str(caught.value)
    assert not (tmp_path / "calls").exists() and not (tmp_path / "out").exists()


@pytest.mark.parametrize("is_absolute", [False, True])
def test_settings_name_the_list_relative_to_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_absolute: bool
) -> None:
    copy, original = tmp_path / "copy", tmp_path / "original"
    for folder, text in ((copy, RECIPE), (original, RECIPE.replace("eng-deu", "eng-rus"))):
        folder.mkdir()
        (folder / "r.yml").write_text(text, encoding="utf-8")
    (copy / "c.yaml").write_text(f"recipe: {copy / 'r.yml' if is_absolute else 'r.yml'}\n", encoding="utf-8")
    monkeypatch.chdir(original)  # whose list is another one, and of other languages
    options = {"out": tmp_path / "out", "src": "en", "tgt": "de", "downloads": tmp_path}
    options |= {"mtdata": toy_mtdata(tmp_path), "config": copy / "c.yaml"}
    assert (
        main(["prepare_bitext", *(word for key, one in options.items() for word in (f"--{key}", str(one)))])
        == 0
    )
    assert len(read(tmp_path / "out/raw/text.en")) == len(PAIRS)


@pytest.fixture
def sacrebleu_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """sacreBLEU's folder for IWSLT's tst2015, empty, and no way to fetch anything."""
    home, dataset = tmp_path / "home", DATASETS["iwslt17/tst2015"]
    home.mkdir()
    monkeypatch.setattr(dataset, "_outdir", str(home))
    monkeypatch.setattr(dataset, "maybe_download", lambda: socket.create_connection(("", 0)))
    return home


def talks(**options: object) -> dict[str, Corpus]:
    defaults: dict[str, object] = {"set": "ted", "langs": "en-de", "sacrebleu": "iwslt17/tst2015"}
    defaults["files"] = ("tst2015.en", "tst2015.de")
    return {"tst2015": Corpus(**{**defaults, **options})}  # type: ignore[arg-type]


@pytest.mark.parametrize("src", ["en", "de"])
def test_sacrebleu_fetches_what_it_knows_and_files_by_hand_go_before(
    tmp_path: Path, sacrebleu_home: Path, src: str
) -> None:
    texts = {"src": "A talk.\nIts end.\n", "ref": "Ein Vortrag.\nSein Ende.\n"}
    for field in DATASETS["iwslt17/tst2015"].fieldnames("en-de"):
        path = sacrebleu_home / f"iwslt17_tst2015.en-de.{field}"
        path.write_text(texts.get(field, "1\n1\n"), encoding="utf-8")
    options = {"src": src, "tgt": "de" if src == "en" else "en", "downloads": tmp_path / "new/downloads"}
    prepare_bitext(tmp_path / "a", corpora=talks(), **options)  # type: ignore[arg-type]
    assert list(read(tmp_path / "a/ted/text.en").values()) == ["A talk.", "Its end."]
    assert list(read(tmp_path / "a/ted/text.de").values()) == ["Ein Vortrag.", "Sein Ende."]
    (tmp_path / "new/downloads/tst2015.de").write_text("Von Hand.\nZwei.\n", encoding="utf-8")
    shutil.rmtree(sacrebleu_home)
    prepare_bitext(tmp_path / "b", corpora=talks(), **options)  # type: ignore[arg-type]
    assert list(read(tmp_path / "b/ted/text.de").values()) == ["Von Hand.", "Zwei."]


def test_sacrebleu_does_not_write_over_a_file_by_hand(tmp_path: Path, sacrebleu_home: Path) -> None:
    for field in DATASETS["iwslt17/tst2015"].fieldnames("en-de"):
        (sacrebleu_home / f"iwslt17_tst2015.en-de.{field}").write_text("x\n", encoding="utf-8")
    (tmp_path / "tst2015.de").write_text("Von Hand.\n", encoding="utf-8")
    prepare_bitext(tmp_path / "out", src="en", tgt="de", downloads=tmp_path, corpora=talks())
    assert (tmp_path / "tst2015.de").read_text(encoding="utf-8") == "Von Hand.\n"
    assert list(read(tmp_path / "out/ted/text.en").values()) == ["x"]


def test_without_a_network_it_is_told_how_to_make_sacrebleus_files(
    tmp_path: Path, sacrebleu_home: Path
) -> None:
    corpora = talks()
    with pytest.raises(DataError) as caught:
        prepare_bitext(tmp_path / "out", src="en", tgt="de", downloads=tmp_path, corpora=corpora)
    command = "sacrebleu -t iwslt17/tst2015 -l en-de --echo"
    assert "sacreBLEU cannot fetch iwslt17/tst2015 en-de" in str(caught.value)
    assert f"`{command} src > tst2015.en` and `{command} ref > tst2015.de`" in str(caught.value)
    assert f"put them into {tmp_path}; or take the corpus out" in str(caught.value)
    assert not (tmp_path / "out").exists() and not (tmp_path / "tst2015.en").exists()


@pytest.mark.parametrize(("bounds", "is_right"), [((7, 7), True), ((8, 9), False), ((1, 6), False)])
def test_a_corpus_has_as_many_pairs_as_is_stated(
    tmp_path: Path, bounds: tuple[int, int], is_right: bool
) -> None:
    write_moses_zip(tmp_path / "corpus.zip", "corpus", ("de", "en"), PAIRS)
    corpora = {"yandex": yandex(pairs=bounds)}
    if is_right:
        prepare_bitext(tmp_path / "out", src="en", tgt="de", downloads=tmp_path, corpora=corpora)
        assert read_info(tmp_path / "out/train")["counts"]["kept"] == 7  # type: ignore[index]
        return
    wanted = f"yandex has 7 pairs, wanted are {bounds[0]} to {bounds[1]}"
    with pytest.raises(DataError, match=wanted):
        prepare_bitext(tmp_path / "out", src="en", tgt="de", downloads=tmp_path, corpora=corpora)
    assert not (tmp_path / "out/train").exists()


def test_a_test_set_is_chosen_among_different_sources_of_some_words(tmp_path: Path) -> None:
    pairs = [*PAIRS, *PAIRS, ("Too short.", "Zu kurz.")]
    write_tsv(tmp_path / "a.tsv", pairs)
    chosen = []
    for size in (3, 5, 50):
        corpus = Corpus(set="law", files=("a.tsv",), form="tsv", langs="en-de", choose=size)
        out = tmp_path / str(size)
        prepare_bitext(out, src="en", tgt="de", downloads=tmp_path, corpora={"a": corpus})
        chosen.append(read(out / "law/text.en"))
    assert [len(one) for one in chosen] == [3, 5, 7]
    assert chosen[0].items() < chosen[1].items() < chosen[2].items()
    assert sorted(chosen[2].values()) == sorted(en for en, _ in PAIRS)


def test_what_mtdata_fetches_is_brought_in_once(tmp_path: Path) -> None:
    (tmp_path / "r.yml").write_text(RECIPE, encoding="utf-8")
    command = toy_mtdata(tmp_path)
    for pairs in ((7, 7), (1, 9)):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        for _ in range(2):
            prepare_bitext(
                tmp_path / "out",
                src="en",
                tgt="de",
                downloads=tmp_path / "downloads",
                corpora={EUROPARL: Corpus(pairs=pairs, licence="free")},
                recipe=tmp_path / "r.yml",
                mtdata=command,
            )
    assert (tmp_path / "calls").read_text() == "x"
    assert list(read(tmp_path / "out/raw/text.de")) == [f"{EUROPARL}_{n:09d}" for n in range(1, 8)]
    ids = [f"Statmt-newstest-ende-2021-eng-deu_{n:09d}" for n in range(1, 8)]
    assert read(tmp_path / "out/test/text.de") == dict(zip(ids, (de for _, de in PAIRS), strict=True))
    assert read_info(tmp_path / "out/raw")["licence"] == f"{EUROPARL}: free"


def test_mtdata_that_fails_or_is_not_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "r.yml").write_text(RECIPE, encoding="utf-8")
    failing = f"{sys.executable} -c 'import sys; sys.exit(3)'"
    with pytest.raises(DataError, match="exit status 3 at its recipe toy; it needs a network"):
        fetch_recipe(tmp_path / "r.yml", tmp_path, command=failing)
    with pytest.raises(ConfigError, match=r"nowhere/mtdata cannot be run .* give --mtdata PATH/bin/mtdata"):
        fetch_recipe(tmp_path / "r.yml", tmp_path, command=f"{tmp_path}/nowhere/mtdata")
    with pytest.raises(DataError, match=r"mtdata left no Statmt-europarl-10-deu-eng\.deu\.gz"):
        prepare_bitext(
            tmp_path / "out",
            src="en",
            tgt="de",
            downloads=tmp_path,
            corpora={},
            recipe=tmp_path / "r.yml",
            mtdata=f"{sys.executable} -c pass",
        )


@pytest.mark.parametrize(
    ("corpora", "wanted"),
    [
        ({"Statmt-europarl-9-deu-eng": Corpus()}, "did you mean Statmt-europarl-10-deu-eng?"),
        ({"yandex": yandex(langs="ru-en")}, "yandex is of en and ru"),
        ({"yandex": yandex(set="")}, "is of no set; give set: train"),
        ({"yandex": yandex(columns=(0, 1))}, "columns are (0, 1); count from 1"),
        (talks(form="tsv"), "sacreBLEU's iwslt17/tst2015; name two files, and no form but lines"),
        ({"a b": yandex(), "a-b": yandex()}, "two whose ids would be the same"),
    ],
)
def test_a_wrong_list_is_refused(tmp_path: Path, corpora: dict[str, Corpus], wanted: str) -> None:
    (tmp_path / "r.yml").write_text(RECIPE, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        prepare_bitext(
            tmp_path / "out",
            src="en",
            tgt="de",
            downloads=tmp_path,
            corpora=corpora,
            recipe=tmp_path / "r.yml",
        )
    assert wanted in str(caught.value)


def test_the_languages_of_an_mtdata_id_are_its_last_parts() -> None:
    assert languages_of("Statmt-ccaligned-1-deu_DE-eng") == ("de", "en")
    with pytest.raises(ConfigError, match="the language kan is not known here"):
        languages_of("OPUS-ubuntu-v14.10-eng-kan")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("id: toy\n", "no list of one recipe"),
        ("- id: toy\n  langs: eng-deu\n", "has no corpus"),
        (f"- id: toy\n  train: [{EUROPARL}]\n  dev: {EUROPARL}\n", "lists Statmt-europarl-10-deu-eng twice"),
    ],
)
def test_a_file_that_is_no_mtdata_recipe_is_refused(tmp_path: Path, text: str, wanted: str) -> None:
    (tmp_path / "r.yml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=wanted):
        read_recipe(tmp_path / "r.yml")


def test_the_command_reads_its_list_from_a_file(tmp_path: Path) -> None:
    write_tsv(tmp_path / "a.tsv", PAIRS)
    (tmp_path / "corpora.yaml").write_text(
        "corpora:\n  a: {set: train, files: [a.tsv], form: tsv, langs: en-de, pairs: [1, 10]}\n",
        encoding="utf-8",
    )
    words = ["--src", "en", "--tgt", "de", "--downloads", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main(["prepare_bitext", *words, "--config", str(tmp_path / "corpora.yaml")]) == 0
    assert len(read(tmp_path / "out/train/text.en")) == 7


real_mtdata = pytest.mark.skipif(
    not os.environ.get("MTDATA_COMMAND"), reason="MTDATA_COMMAND names no mtdata"
)


@real_mtdata
def test_mtdata_knows_every_corpus_of_our_recipes() -> None:
    listed = {
        corpus
        for path in Path(__file__).parents[1].glob("egs/*/mt1/conf/full/mtdata.recipes*.yml")
        for corpus in read_recipe(path).sets
    }
    assert len(listed) > 30
    known: set[str] = set()
    for pair in {"-".join(sorted(corpus.split("-")[-2:])) for corpus in listed}:
        command = [*shlex.split(os.environ["MTDATA_COMMAND"]), "list", "-l", pair, "-id"]
        found = subprocess.run(command, check=True, capture_output=True, text=True)
        known.update(found.stdout.split())
    assert listed <= known


@real_mtdata
def test_mtdata_itself_makes_what_we_read(tmp_path: Path) -> None:
    url = "http://www.statmt.org/europarl/v10/training/europarl-v10.de-en.tsv.gz"
    digest = md5(url.encode()).hexdigest()
    cached = tmp_path / "mtdata-cache/www.statmt.org" / digest[:4] / digest[4:] / "europarl.tsv.gz"
    cached.parent.mkdir(parents=True)
    with gzip.open(cached, "wt", encoding="utf-8") as file:
        file.writelines(f"{de}\t{en}\n" for en, de in PAIRS)
    cached.with_name(f"{cached.name}._valid").touch()
    (tmp_path / "r.yml").write_text(f"- id: toy\n  langs: eng-deu\n  train: [{EUROPARL}]\n", encoding="utf-8")
    prepare_bitext(
        tmp_path / "out",
        src="en",
        tgt="de",
        downloads=tmp_path,
        corpora={},
        recipe=tmp_path / "r.yml",
        mtdata=os.environ["MTDATA_COMMAND"],
        jobs=1,
    )
    assert list(read(tmp_path / "out/raw/text.en").values()) == [en for en, _ in PAIRS]
    assert list(read(tmp_path / "out/raw/text.de").values()) == [de for _, de in PAIRS]
