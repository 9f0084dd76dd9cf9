"""Preparing Beneath a Steel Sky: sets by section, what is dropped, and the tables of speech."""

import wave
from collections import Counter
from pathlib import Path

import pytest
from steel_sky_game import make_game, make_package

from synthst.corpora.steel_sky import Line, divide_lines, keep_good, pair_lines, prepare_steel_sky
from synthst.datadir import check_datadir, read_info
from synthst.errors import ConfigError, DataError
from synthst.tables import read_table

TEXTS = {
    "en": {
        0: ["It's a CARD.", "Only the text of this has no clip."],
        1: ["Ask JOEY!", "Never mind...", "Good-bye, Rob."],
        2: ["Never mind.", "The GARBAGE goes there, Joey."],
        3: ["What is it? \t\tunused", "Robert Foster."],
        4: [
            "I asked Joey at once for this very long explanation.",
            "Too short for a clip, so it is not there.",
        ],
        5: ["I'm in the LIFT, Joey.", "Never MIND!", "See you."],
        6: ["It is over."],
    },
    "de": {
        0: ["Das ist eine KARTE.", "Nur der Text."],
        1: ["Frag JOEY!", "Schon gut...", "Auf Wiedersehen, Rob."],
        2: ["Vergi( es.", "Der ABFALL kommt dorthin, Joey."],
        3: ["Was ist das?", "Robert Foster."],
        4: ["Ich habe Joey gefragt.", "Nichts."],
        5: ["Ich bin im LIFT, Joey.", "Macht nichts!", "Bis dann."],
        6: ["Es ist VORBEI."],
    },
}
SECOND = bytes(range(100, 150)) * 220 + bytes(25)  # 11,025 samples
CLIPS = {(0, 0): SECOND, (1, 0): SECOND, (1, 1): SECOND, (1, 2): SECOND + SECOND[:1000], (2, 0): SECOND}
CLIPS |= {
    (2, 1): SECOND,
    (3, 0): SECOND,
    (3, 1): SECOND,
    (4, 0): SECOND,
    (4, 1): SECOND[:799],
    (4, 9): SECOND,
}
CLIPS |= {(5, 0): SECOND, (5, 1): SECOND, (5, 2): SECOND, (6, 0): SECOND[:5512]}
WORDS = {"de": "Abfall\nKarte\nLift\nvorbei\n"}
PREPARED = Counter(
    clips=15,
    dropped_empty_clip=1,  # (4, 1)
    dropped_empty_text=2,  # (3, 0) has marks, (4, 9) has no text
    dropped_untranslated=1,  # (3, 1)
    dropped_odd_duration=1,  # (4, 0): 42 letters in a second
    dropped_train_held_out=1,  # (2, 0)
    dropped_dev_held_out=1,  # (1, 1)
    dropped_test_held_out=0,
    kept_train=3,
    kept_dev=2,
    kept_test=3,
)


@pytest.fixture(scope="module")
def debs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_game(tmp_path_factory.mktemp("debs"), TEXTS, CLIPS, words=WORDS)


@pytest.fixture(scope="module")
def prepared(debs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sky") / "data"
    prepare_steel_sky(out, downloads=out.parent, deb_dir=debs, workers=1)
    return out


def rows(directory: Path, name: str) -> dict[str, str]:
    return dict(read_table(directory / name))


def test_prepare_steel_sky_divides_the_lines_by_section(prepared: Path) -> None:
    assert rows(prepared / "train", "text.en") == {
        "steelsky_0_00000": "It's a card.",
        "steelsky_2_00001": "The garbage goes there, Joey.",
        "steelsky_6_00000": "It is over.",
    }
    assert rows(prepared / "train", "text.de") == {
        "steelsky_0_00000": "Das ist eine Karte.",
        "steelsky_2_00001": "Der Abfall kommt dorthin, Joey.",
        "steelsky_6_00000": "Es ist vorbei.",
    }
    assert rows(prepared / "dev", "text.en") == {
        "steelsky_1_00000": "Ask Joey!",
        "steelsky_1_00002": "Good-bye, Rob.",
    }
    assert list(rows(prepared / "test", "text.de").values()) == [
        "Ich bin im Lift, Joey.",
        "Macht nichts!",
        "Bis dann.",
    ]


def test_prepare_steel_sky_writes_the_tables_of_speech(prepared: Path) -> None:
    for name in ("train", "dev", "test"):
        tables = [summary.name for summary in check_datadir(prepared / name)]
        assert tables == ["text.de", "text.en", "utt2dur", "utt2spk", "wav.scp"]
    assert rows(prepared / "dev", "utt2dur") == {"steelsky_1_00000": "1.000", "steelsky_1_00002": "1.091"}
    assert rows(prepared / "dev", "utt2spk")["steelsky_1_00002"] == "steelsky_1_00002"


def test_prepare_steel_sky_unpacks_the_clips(prepared: Path) -> None:
    paths = rows(prepared / "dev", "wav.scp")
    assert paths["steelsky_1_00002"] == str(prepared / "audio/1/steelsky_1_00002.wav")
    with wave.open(paths["steelsky_1_00002"], "rb") as audio:
        assert (audio.getframerate(), audio.getnchannels(), audio.getsampwidth()) == (11_025, 1, 1)
        assert audio.readframes(100_000) == SECOND + SECOND[:1000]


def test_prepare_steel_sky_counts_what_it_drops(prepared: Path) -> None:
    info = read_info(prepared)
    assert info["counts"] == PREPARED
    assert info["packages"] == {"beneath-a-steel-sky": "0.0372-8", "scummvm": "2.7.0", "wogerman": "1"}
    assert info["made_by"] == {"step": "prepare_steel_sky", "src": "en", "tgt": "de"}


def test_prepare_steel_sky_keeps_the_readme_and_says_that_the_game_was_changed(prepared: Path) -> None:
    assert (prepared / "readme.txt").read_text() == "Keep this readme.\n"
    assert "modified" in (prepared / "NOTICE").read_text()


def test_prepare_steel_sky_in_parallel_and_again(debs: Path, prepared: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    for _ in range(2):  # the second call finds it there
        prepare_steel_sky(out, downloads=tmp_path, deb_dir=debs, workers=2)
    for path in sorted((prepared / "audio").rglob("*.wav")):
        assert (out / path.relative_to(prepared)).read_bytes() == path.read_bytes()
    assert rows(out / "train", "text.de") == rows(prepared / "train", "text.de")
    with pytest.raises(DataError, match="made otherwise"):
        prepare_steel_sky(out, tgt="fr", downloads=tmp_path, deb_dir=debs)


def test_prepare_steel_sky_refuses_other_languages(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="en-ru; take de, fr, es, it"):
        prepare_steel_sky(tmp_path / "data", tgt="ru", downloads=tmp_path)


@pytest.mark.parametrize(
    "name", ["beneath-a-steel-sky_0.0372-8_all", "scummvm_2.7.0_amd64", "wogerman_1_all"]
)
def test_prepare_steel_sky_refuses_a_package_without_its_files(name: str, tmp_path: Path) -> None:
    debs = make_game(tmp_path / "debs", TEXTS, CLIPS, words=WORDS)
    make_package(debs / f"{name}.deb", {"usr/share/doc/other": b"other"})
    with pytest.raises(DataError, match=f"{name}.deb holds no "):
        prepare_steel_sky(tmp_path / "data", downloads=tmp_path, deb_dir=debs, workers=1)
    assert not (tmp_path / "data").exists()


def test_prepare_steel_sky_refuses_a_player_without_the_tree(tmp_path: Path) -> None:
    debs = make_game(tmp_path / "debs", TEXTS, CLIPS, program=b"\x7fELF")
    with pytest.raises(DataError, match="usr/games/scummvm holds no table"):
        prepare_steel_sky(tmp_path / "data", downloads=tmp_path, deb_dir=debs, workers=1)


@pytest.mark.parametrize("workers", [1, 2])
def test_prepare_steel_sky_names_a_damaged_clip_and_leaves_nothing(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(
            "steel_sky_game.pack_clip", lambda samples: bytes([0x81, *bytes(21), *b"RNC\1", *bytes(20)])
        )
        debs = make_game(tmp_path / "debs", TEXTS, {(5, 2): SECOND}, words=WORDS)
    with pytest.raises(DataError, match="clip steelsky_5_00002: .*; fetch the package"):
        prepare_steel_sky(tmp_path / "data", downloads=tmp_path, deb_dir=debs, workers=workers)
    assert [path.name for path in tmp_path.iterdir()] == ["debs"]


def test_pair_lines_gives_empty_texts_where_there_are_none() -> None:
    found = list(pair_lines({(1, 1): 2.0, (0, 0): 1.0}, [["a"], []], [[], ["b", "c"]]))
    assert found == [Line(0, 0, 1.0, "a", ""), Line(1, 1, 2.0, "", "c")]


@pytest.mark.parametrize(
    ("src", "tgt", "seconds", "reason"),
    [
        ("Hello, you.", "Hallo, Du.", 1.0, None),
        ("...", "Hallo.", 1.0, "dropped_empty_text"),
        ("Hello.", "?!", 1.0, "dropped_empty_text"),
        ("Mmf mgh!", "MMF, mgh...", 1.0, "dropped_untranslated"),
        ("abc", "d", 1.0, None),
        ("abc", "d", 1.01, "dropped_odd_duration"),
        ("a" * 26, "d", 1.0, None),
        ("a" * 26, "d", 0.99, "dropped_odd_duration"),
    ],
)
def test_keep_good_drops_and_counts(src: str, tgt: str, seconds: float, reason: str | None) -> None:
    counts: Counter[str] = Counter()
    kept = list(keep_good([Line(0, 0, seconds, src, tgt)], counts))
    assert len(kept) == (reason is None)
    assert counts == ({} if reason is None else {reason: 1})


def test_divide_lines_holds_out_texts_of_either_side() -> None:
    lines = [
        Line(0, 0, 1.0, "What?", "Was?"),
        Line(0, 1, 1.0, "What now?", "Na und?"),
        Line(0, 2, 1.0, "Other", "Anderes"),
        Line(1, 0, 1.0, "So what", "na UND"),
        Line(1, 1, 1.0, "Well?", "Nun?"),
        Line(5, 0, 1.0, "what...", "Wie bitte?"),
        Line(5, 1, 1.0, "Hm?", "Nun!"),
    ]
    counts: Counter[str] = Counter()
    sets = divide_lines(lines, counts)
    assert sets == {"test": lines[5:], "dev": [lines[3]], "train": [lines[2]]}
    assert (counts["dropped_train_held_out"], counts["dropped_dev_held_out"]) == (2, 1)
