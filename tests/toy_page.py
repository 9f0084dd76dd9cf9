"""A folder of finished experiments: two students, a teacher, a recogniser, a table and a figure."""

import csv
import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from synthst.experiments.write import CSV_COLUMNS
from synthst.score import score_system
from synthst.tables import write_table

EVIL = "Schließen </script><script>alert(1)</script>"
TEXTS = {  # id -> source, reference, real student, synthetic student, teacher
    "u0": (
        "Click the icon.",
        "Klicken Sie auf das Symbol.",
        "Klicken Sie auf.",
        "Klicken Sie auf das Symbol.",
        "Klicken.",
    ),
    "u1": (
        "Close <b>it</b> & go.",
        "Schließen und gehen.",
        "Schließen und gehen.",
        EVIL,
        "Schließen und gehen.",
    ),
    "u2": ("Save it.", "Speichern Sie es.", "", "Speichern Sie.", "Speichern Sie es."),
} | {
    f"v{n:02d}": (f"Sentence {n}.", f"Satz {n}.", f"Satz {n}.", f"Satz {n}.", f"Satz {n}.") for n in range(40)
}
SYSTEMS = {"mt_real": ("real", 2), "mt_synth": ("synth", 3), "teacher_own": ("teacher", 4)}
PIXEL = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
SCORES: tuple[dict[str, Any], ...] = (
    {"row": "2x2", "column": "10 %", "system": "real", "bleu": 10.04, "paper": 17.6, "paper_column": "0.5M"},
    {
        **{
            "row": "2x2",
            "column": "10 %",
            "system": "synthetic",
            "bleu": 12.5,
            "delta": 2.46,
            "p_value": 0.01,
        },
        **{"paper": 20.9, "paper_delta": "3.3", "paper_column": "0.5M"},
    },
    {"row": "6x6", "column": "10 %", "system": "real", "status": "missing"},
    {"row": "6x6", "column": "10 %", "system": "synthetic", "status": "failed"},
)


def write_experiments(folder: Path, *, speech: bool = False) -> Path:
    """Write folder/data and folder/exp as stages 1 to 12 do; return folder/exp."""
    data, exp = folder / "data" / "test", folder / "exp"
    data.mkdir(parents=True)
    for position, lang in enumerate(("en", "de")):
        write_table(data / f"text.{lang}", [(id_, texts[position]) for id_, texts in TEXTS.items()])
    if speech:
        write_speech(data)
    for name, (targets, position) in SYSTEMS.items():
        learnt = {"tokens": {"made_by": {"data_made_by": {"store": "exp/toy/teacher_own/beam4"}}}}
        shared = {"targets": targets, "student": "2x2", "subset": 4000}
        write_model(exp / "toy" / name, shared, **(learnt if targets == "synth" else {}))
        decoded = exp / "toy" / name / "decode_test"
        decoded.mkdir()
        (decoded / "decode.json").write_text(json.dumps({"sentences": 43, "seconds": 2.0, "cut_off": 1}))
        rows = [(id_, texts[position]) for id_, texts in TEXTS.items()]
        write_table(decoded / "text.de", rows, allow_empty=True)
        score_system(decoded / "text.de", data / "text.de", decoded / "scores.json", tgt="de")
        forget_folder(decoded / "scores.json", folder)
    write_grid(exp / "tables" / "mini" / "table1.csv", SCORES)
    (exp / "figures").mkdir()
    (exp / "figures" / "top_k.png").write_bytes(PIXEL)
    (exp / "figures" / "top_k.csv").write_text("model,k,bleu\n<i>real</i>,1,7.5\n")
    (exp / "figures" / "other.png").write_bytes(PIXEL)
    return exp


def write_model(directory: Path, labels: dict[str, object], **settings: object) -> None:
    """Write train.json."""
    directory.mkdir(parents=True)
    told = {
        "parameters": 4_715_938,
        "seconds": 90,
        "train_sentences": 4000,
        "finished": "2026-11-22 15:45:59",
    }
    shared = {"src": "en", "tgt": "de", "training": {"seed": 1}}
    (directory / "train.json").write_text(json.dumps(told | labels | {"settings": shared | settings}))


def write_grid(path: Path, scores: tuple[dict[str, Any], ...]) -> None:
    """Write a table as `synthst table` does."""
    path.parent.mkdir(parents=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, CSV_COLUMNS, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows({"table": "table1", "preset": "mini", "status": "finished"} | row for row in scores)
    path.with_suffix(".md").write_text("# Table 1: a toy, preset mini\n\nmore\n")


def write_speech(data: Path) -> None:
    """Say a tone of half a second for u0, u1 and u2; nothing readable for the others."""
    soundfile.write(data / "tone.wav", np.sin(np.arange(8000) / 20).astype(np.float32), 16_000)
    wavs = {id_: "data/test/tone.wav" if id_ < "v" else "data/test/lost.wav" for id_ in TEXTS}
    write_table(data / "wav.scp", wavs.items())
    write_table(data / "utt2spk", [(id_, id_) for id_ in TEXTS])


def forget_folder(scores: Path, folder: Path) -> None:
    """Make the paths in scores.json relative to where the recipe ran."""
    scores.write_text(scores.read_text(encoding="utf-8").replace(f"{folder}/", ""), encoding="utf-8")
