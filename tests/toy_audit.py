"""A small corpus with one fault of each kind, to be audited."""

from collections.abc import Mapping
from pathlib import Path

from synthst.info import write_info
from synthst.store import StoreRow, open_store, write_part
from synthst.tables import write_tables

LOOP = "Der Inhalt der Inhalt der Inhalt der Inhalt der Inhalt der Inhalt der Inhalt der"
ROWS = {  # id -> source, real, synthetic
    "u0": ("Click the icon.", "Klicken Sie auf das Symbol.", "Klicken Sie auf das Symbol."),
    "u1": ("The content is new.", "Der Inhalt ist neu.", LOOP),
    "u2": ("Open the last file again now.", "Öffnen Sie nun die letzte Datei.", "Open the last file again."),
    "u3": ("Close <b>it</b> & go.", "Schließen und gehen.", "Schließen </script><script>alert(1)</script>"),
    "u4": ("Save it.", "Speichern Sie es.", "Speichern"),
    "u5": ("Delete all of it.", "Alles löschen.", "Удалите всё это прямо сейчас и навсегда."),
}
SEARCH = {"beam": 4, "nbest": 1}


def write_corpus(folder: Path) -> Path:
    """Write folder/real, folder/store and folder/synth as the stages do; return the last."""
    write_side(folder / "real", {id_: (source, real) for id_, (source, real, _) in ROWS.items()})
    store, synth = folder / "store", folder / "synth"
    open_store(store, {"kind": "fake", "name": "toy"}, SEARCH)
    rows = [
        StoreRow(source, 0, synthetic, -0.1 * len(synthetic), 3, id_ != "u1")
        for id_, (source, _, synthetic) in ROWS.items()
    ]
    write_part(store, rows)
    write_side(synth, {id_: (source, synthetic) for id_, (source, _, synthetic) in ROWS.items()})
    made_by = {"step": "replace_targets", "data": folder / "real", "store": store, "src": "en", "tgt": "de"}
    write_info(synth, made_by)
    return synth


def write_side(directory: Path, rows: Mapping[str, tuple[str, ...]]) -> Path:
    """Write a data directory of English and German texts."""
    directory.mkdir(parents=True, exist_ok=True)
    write_tables([directory / "text.en", directory / "text.de"], sorted(rows.items()))
    return directory
