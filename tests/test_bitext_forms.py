"""The forms of published parallel corpora, each as its publishers write it."""

import gzip
import tarfile
from pathlib import Path

import pytest
from toy_bitext import write_moses_zip, write_sgm, write_tmx, write_tsv, write_xml

from synthst.corpora.bitext_forms import read_bitext
from synthst.corpora.compressed import read_lines
from synthst.errors import ConfigError, DataError

PAIRS = [(f"Sentence {number} & more.", f"Satz {number} & mehr.") for number in range(1, 8)]
EN_DE = ("en", "de")


def read(files: list[Path | str], form: str, **options: object) -> list[tuple[str | None, str | None]]:
    return list(read_bitext([str(file) for file in files], form, **{"langs": EN_DE, **options}))


@pytest.mark.parametrize("ending", ["", ".gz", ".xz"])
def test_tsv_gives_its_columns(tmp_path: Path, ending: str) -> None:
    path = write_tsv(tmp_path / f"europarl.tsv{ending}", PAIRS)
    assert read([path], "tsv") == PAIRS
    scored = write_tsv(tmp_path / f"wikimatrix.tsv{ending}", PAIRS, before="1.1\t")
    assert read([scored], "tsv", columns=(2, 3)) == PAIRS


def test_a_tsv_line_without_the_columns_gives_empty_texts(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes(b"one\teins\n\nalone\nbad \xff\tx\n")
    assert read([tmp_path / "a.tsv"], "tsv") == [("one", "eins"), ("", ""), ("", ""), (None, None)]


def test_lines_come_from_members_of_an_archive(tmp_path: Path) -> None:
    path = write_moses_zip(tmp_path / "de-en.txt.zip", "EMEA.de-en", EN_DE, PAIRS)
    assert read([f"{path}::EMEA.de-en.en", f"{path}::EMEA.de-en.de"], "lines") == PAIRS
    with tarfile.open(tmp_path / "cc.tgz", "w:gz") as archive:
        for lang, column in (("en", 0), ("de", 1)):
            (tmp_path / lang).write_text("".join(f"{pair[column]}\n" for pair in PAIRS), encoding="utf-8")
            archive.add(tmp_path / lang, f"commoncrawl.{lang}")
    names = [f"{tmp_path}/cc.tgz::commoncrawl.{lang}" for lang in EN_DE]
    assert read(list(names), "lines") == PAIRS
    with pytest.raises(
        DataError, match=r"no member 'x'; name one, as .*cc.tgz::commoncrawl.en, commoncrawl.de"
    ):
        read([f"{tmp_path}/cc.tgz::x", names[1]], "lines")


def test_files_of_different_numbers_of_lines_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one\n\xff\nthree\n")
    (tmp_path / "b").write_bytes(b"eins\nzwei\n")
    with pytest.raises(DataError, match=r"a has 3 lines, .*b 2; line n of one"):
        read([tmp_path / "a", tmp_path / "b"], "lines")
    with gzip.open(tmp_path / "b.gz", "wb") as file:
        file.write(b"eins\nzwei\ndrei\n")
    assert read([tmp_path / "a", tmp_path / "b.gz"], "lines")[1] == (None, "zwei")


def test_only_a_newline_ends_a_line(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("\ufeffone\u2028more\x85\x0bend\r\ntwo".encode())
    assert list(read_lines(str(tmp_path / "a"))) == ["one\u2028more\x85\x0bend\r", "two"]


@pytest.mark.parametrize("name", ["rapid.tmx", "rapid.de-en.tmx.zip"])
def test_tmx_gives_the_two_languages_in_the_order_that_is_asked_for(tmp_path: Path, name: str) -> None:
    path = write_tmx(tmp_path / name, ("en-GB", "de"), PAIRS)
    assert read([path], "tmx") == PAIRS
    assert read([path], "tmx", langs=("de", "en")) == [pair[::-1] for pair in PAIRS]
    assert read([path], "tmx", langs=("en", "fr"))[0] == (PAIRS[0][0], "")


def test_tmx_text_is_without_the_markup_of_the_document(tmp_path: Path) -> None:
    seg = 'Press <bpt i="1">&lt;b&gt;</bpt><hi>OK</hi><ept i="1">&lt;/b&gt;</ept> &amp; go<ph x="1">{n}</ph>.'
    units = f'<tuv xml:lang="EN-us"><seg>{seg}</seg></tuv><tuv lang="de"><seg>Los.</seg></tuv>'
    (tmp_path / "a.tmx").write_text(f"<tmx><body><tu>{units}</tu></body></tmx>", encoding="utf-8")
    assert read([tmp_path / "a.tmx"], "tmx") == [("Press OK & go.", "Los.")]


def test_a_tmx_that_is_cut_short_is_refused_after_what_was_whole(tmp_path: Path) -> None:
    path = write_tmx(tmp_path / "a.tmx", EN_DE, PAIRS)
    path.write_bytes(path.read_bytes()[:-300])
    pairs = read_bitext([str(path)], "tmx", langs=EN_DE)
    assert next(pairs) == PAIRS[0]
    with pytest.raises(DataError, match=r"a\.tmx is no XML from .*; fetch it again"):
        list(pairs)


def test_sgm_pairs_are_joined_by_ids_and_need_not_be_xml(tmp_path: Path) -> None:
    source, reference = write_sgm(tmp_path, "newstest2020", EN_DE, PAIRS)
    assert read([source, reference], "sgm") == PAIRS
    lines = reference.read_text(encoding="utf-8").split("\n")
    lines[3], lines[4] = lines[4], lines[3].replace("&", "&amp;")
    reference.write_text("\n".join(lines), encoding="utf-8")
    assert read([source, reference], "sgm") == PAIRS


def test_sgm_files_of_other_segments_are_refused(tmp_path: Path) -> None:
    source, _ = write_sgm(tmp_path, "newstest2020", EN_DE, PAIRS)
    _, other = write_sgm(tmp_path, "newstest2019", EN_DE, PAIRS[:6])
    with pytest.raises(
        DataError, match=r"src.en.sgm has 7 segments, .*ref.de.sgm 6, and 1 are in one of them"
    ):
        read([source, other], "sgm")
    source.write_text(source.read_text(encoding="utf-8").replace("news.2", "news.1"), encoding="utf-8")
    with pytest.raises(DataError, match="document news.1 twice"):
        read([source, other], "sgm")


def test_xml_gives_the_reference_that_is_asked_for(tmp_path: Path) -> None:
    path = write_xml(tmp_path / "newstest2021.en-de.all.xml", EN_DE, PAIRS, ("A", "C"))
    assert read([path], "xml") == read([path], "xml", ref="A") == PAIRS
    assert read([path], "xml", ref="C") == [(source, f"{target} again") for source, target in PAIRS]
    with pytest.raises(DataError, match=r"document paper\.0 has no reference 'B'; it has A, C"):
        read([path], "xml", ref="B")


def test_damaged_and_missing_files_are_refused(tmp_path: Path) -> None:
    path = write_tsv(tmp_path / "a.tsv.gz", PAIRS * 50)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"a\.tsv\.gz is cut short or damaged"):
        read([path], "tsv")
    (tmp_path / "c.tsv.bz2").write_bytes(b"BZh9 no more")
    with pytest.raises(DataError, match=r"c\.tsv\.bz2 is cut short or damaged"):
        read([tmp_path / "c.tsv.bz2"], "tsv")
    with pytest.raises(DataError, match=r"b\.tsv is not there"):
        read([tmp_path / "b.tsv"], "tsv")
    with pytest.raises(ConfigError, match="the form sgm is of 2 files, not 1"):
        read([path], "sgm")
