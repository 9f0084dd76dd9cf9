"""Tiny corpora in the forms of Common Voice, CoVoST 2, Europarl-ST, LibriSpeech, TED-LIUM 3 and VoxPopuli."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import soundfile
from toy_iwslt import RATE, hum, speak


def write_commonvoice(folder: Path, sentences: Sequence[str], *, part: str = "validated") -> None:
    """Write <folder>/{<part>.tsv, clips/common_voice_en_<n>.mp3}; sentences may hold an open quote."""
    (folder / "clips").mkdir(parents=True)
    columns = ["client_id", "path", "sentence", "up_votes", "down_votes", "age", "gender", "accents"]
    columns += ["variant", "locale", "segment"]
    rows = []
    for number, sentence in enumerate(sentences, 1):
        path = f"common_voice_en_{number}.mp3"
        soundfile.write(folder / "clips" / path, hum(sentence), RATE, format="MP3")
        rows.append([f"client{number}", path, sentence, "2", "0", "", "", "", "", "en", ""])
    write_tsv(folder / f"{part}.tsv", [columns, *rows])


def write_covost(path: Path, rows: Sequence[tuple[int, str, str]]) -> None:
    """Write covost_v2.en_de.tsv: for each row the number of the clip, its translation and its split."""
    named = [[f"common_voice_en_{number}.mp3", translation, split] for number, translation, split in rows]
    write_tsv(path, [["path", "translation", "split"], *named])


def write_tsv(path: Path, rows: Sequence[Sequence[str]]) -> None:
    """Write a TSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")


def write_europarl_st(folder: Path, texts: Sequence[tuple[str, str]], *, part: str = "train") -> None:
    """Write <folder>/en/audios/<speech>.wav and <folder>/en/de/<part>/segments.{lst,en,de} of one speech."""
    sentences, samples = speak(texts)
    audio, text = folder / "en/audios", folder / "en/de" / part
    audio.mkdir(parents=True)
    text.mkdir(parents=True)
    speech = "ep-asr-en.20080116.17.3-183"
    soundfile.write(audio / f"{speech}.wav", samples, RATE)
    rows = "".join(f"{speech} {one.start:.2f} {one.end:.2f}\n" for one in sentences)
    (text / "segments.lst").write_text(rows, encoding="utf-8")
    for lang, column in (("en", 2), ("de", 3)):
        lines = "".join(f"{one[column]}\n" for one in sentences)
        (text / f"segments.{lang}").write_text(lines, encoding="utf-8")


def write_librispeech(folder: Path, part: str, sentences: Sequence[str]) -> None:
    """Write <folder>/<part>/103/1240/: FLAC files and a .trans.txt in capitals."""
    chapter = folder / part / "103/1240"
    chapter.mkdir(parents=True)
    lines = []
    for number, sentence in enumerate(sentences):
        name = f"103-1240-{number:04d}"
        soundfile.write(chapter / f"{name}.flac", hum(sentence), RATE)
        lines.append(f"{name} {letters(sentence).upper()}\n")
    (chapter / "103-1240.trans.txt").write_text("".join(lines), encoding="utf-8")


def write_tedlium(folder: Path, part: str, sentences: Sequence[str]) -> None:
    """Write <folder>/legacy/<part>/{sph,stm} of one talk: NIST sphere, and segments in lower case.

    Besides letters a sentence may hold marks: ``it's <unk>`` is written as the corpus does, ``it 's <unk>``.
    """
    base = folder / "legacy" / part
    (base / "sph").mkdir(parents=True)
    (base / "stm").mkdir()
    talk, label = "AlGore_2009", "<o,f0,male>"
    spoken, samples = speak([(sentence, "") for sentence in sentences])
    soundfile.write(base / f"sph/{talk}.sph", samples, RATE, format="NIST", subtype="PCM_16")
    rows = [f"{talk} 1 {talk} {one.start} {one.end} {label} {_transcribe(one.src)}\n" for one in spoken]
    gap = f"{talk} 1 inter_segment_gap 0 {spoken[0].start} <o,,unknown> ignore_time_segment_in_scoring\n"
    (base / f"stm/{talk}.stm").write_text(gap + "".join(rows), encoding="utf-8")


def _transcribe(sentence: str) -> str:
    """Write a sentence as TED-LIUM does: marks stay, other words are in lower case, suffixes apart."""
    words = (word if word[0] in "<[{" else letters(word, "'").lower() for word in sentence.split())
    return " ".join(words).replace("'", " '")


def write_voxpopuli(folder: Path, sentences: Sequence[str], *, audio: str = "original") -> None:
    """Write <folder>/raw_audios/<audio>/<year>/ and asr_en.tsv.gz: a session for each split.

    VoxPopuli's --subset asr is called original; en is what --subset en, of speech without transcripts, is.
    """
    place = folder / "raw_audios" / audio / "2009"
    place.mkdir(parents=True)
    spoken, samples = speak([(sentence, "") for sentence in sentences])
    rows = [
        "session_id|id_|original_text|normed_text|speaker_id|split|gender|is_gold|start_time|end_time|vad"
    ]
    for day, split in enumerate(("train", "dev", "test"), 12):
        session = f"200901{day}-0900-PLENARY-3"
        soundfile.write(place / f"{session}_{audio}.ogg", samples, RATE, format="OGG", subtype="VORBIS")
        for number, one in enumerate(spoken):
            texts = f"{one.src}|{letters(one.src).lower()}"
            times = f"{one.start}|{one.end}|[({one.start}, {one.end})]"
            rows.append(f"{session}|en_200901{day}-15:05:41_{number}|{texts}|7|{split}|male|False|{times}")
    with gzip.open(folder / "asr_en.tsv.gz", "wt", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in rows))


def letters(text: str, more: str = "") -> str:
    """Return the text without punctuation, but for ``more`` characters."""
    return "".join(character for character in text if character.isalpha() or character in f" {more}")
