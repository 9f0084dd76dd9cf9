"""What benchmarks/scale.py measures: the steps from a user's files to clean data, and stages 3 to 6."""

from collections.abc import Iterator
from pathlib import Path

from filter import FILTERS, without_language
from scale_watch import Step
from store import InstantTeacher, make_rows

from synthst.commands import choose_subset, import_text
from synthst.datadir import combine_datadirs, new_directory, text_path
from synthst.multilingual import combine_pairs
from synthst.tables import write_table, write_tables
from synthst.targets.expand import expand_targets
from synthst.targets.filter import filter_datadir
from synthst.targets.replace import replace_targets
from synthst.teacher.decode import decode_corpus
from synthst.teacher.plan import plan_parts
from synthst.tokens import read_tokens, train_tokenizers, write_tokens

LANGS = ["en", "de"]
EXTRA_SHARE = 10  # of the rows, one in so many is source-only text for stage 5
SAMPLE_ROWS = 50_000  # that the tokenisers are trained on
VOCABULARY = 8_000
BATCH_TOKENS = 25_000
OTHER_LETTERS = str.maketrans("etaoinshrdlu", "taoinshrdlue")  # so that targets are no copies


def make_files(folder: Path, rows: int) -> None:
    """Make the files to import, with other letters as targets, and a tenth as many English-French pairs."""
    (folder / "files").mkdir()
    with open(folder / "files/all.en", "w") as sources, open(folder / "files/all.de", "w") as targets:
        for _, text in make_rows(rows):
            sources.write(f"{text}\n")
            targets.write(f"{text.translate(OTHER_LETTERS)}\n")
    with new_directory(folder / "french", made_by={"step": "made-up"}) as out:
        pairs = ((key, (text, text.translate(OTHER_LETTERS))) for key, text in extra_rows(rows))
        write_tables([text_path(out, lang) for lang in ("en", "fr")], pairs)


def import_files(folder: Path, rows: int) -> None:
    import_text(folder / "imported", src=str(folder / "files/all.en"), tgt=str(folder / "files/all.de"))


def clean(folder: Path, rows: int) -> None:
    """Filter as for WMT with a process per core; benchmarks/filter.py says what telling languages takes."""
    (folder / "lists").mkdir()
    listed = without_language(FILTERS, folder / "lists")
    filter_datadir(folder / "imported", folder / "clean", src="en", tgt="de", filters=listed)


def subset(folder: Path, rows: int) -> None:
    choose_subset(folder / "clean", folder / "tenth", rest=folder / "rest", size=str(rows // 10))


def combine(folder: Path, rows: int) -> None:
    combine_datadirs([folder / "tenth", folder / "rest"], folder / "combined")


def balance(folder: Path, rows: int) -> None:
    """Combine two pairs, one of them a tenth of the other, so that its rows come several times."""
    pairs = {"en-de": folder / "combined", "en-fr": folder / "french"}
    combine_pairs(pairs, folder / "pairs", src="en", tgt="mul", temperature=5)


def make_data(folder: Path, rows: int) -> None:
    """Make the pairs, and source-only text for stage 5."""
    with new_directory(folder / "data", made_by={"step": "made-up"}) as out:
        pairs = ((key, (text, text.upper())) for key, text in make_rows(rows))
        write_tables([text_path(out, lang) for lang in LANGS], pairs)
    with new_directory(folder / "extra", made_by={"step": "made-up"}) as out:
        write_table(text_path(out, "en"), extra_rows(rows))
    with new_directory(folder / "sample", made_by={"step": "made-up"}) as out:
        pairs = ((key, (text, f"<{text}>0")) for key, text in make_rows(min(rows, SAMPLE_ROWS)))
        write_tables([text_path(out, lang) for lang in LANGS], pairs)


def extra_rows(rows: int) -> Iterator[tuple[str, str]]:
    for key, text in make_rows(rows // EXTRA_SHARE):
        yield f"x{key}", f"{text} more"


def plan(folder: Path, rows: int) -> None:
    """Stage 3 without a teacher's time: what is to be decoded, in which parts."""
    empty = folder / "empty"
    with new_directory(folder / "tiny", made_by={"step": "made-up"}) as out:
        write_table(text_path(out, "en"), [("u", "one sentence that no other has")])
    decode_corpus(InstantTeacher(1), folder / "tiny", empty, src="en")
    with plan_parts(empty, text_path(folder / "data", "en")) as planned:
        assert planned.parts and planned.sentences == planned.sources <= rows


def decode(folder: Path, rows: int) -> None:
    for data in ("data", "extra"):
        decode_corpus(InstantTeacher(1), folder / data, folder / "store", src="en")


def replace(folder: Path, rows: int) -> None:
    replace_targets(folder / "data", folder / "store", folder / "synth", src="en", tgt="de")


def expand(folder: Path, rows: int) -> None:
    expand_targets(
        folder / "synth", folder / "extra", folder / "store", folder / "mono", src="en", tgt="de", prefix="e_"
    )


def tokenizers(folder: Path, rows: int) -> None:
    train_tokenizers(folder / "sample", folder / "models", langs=LANGS, vocabulary_size=VOCABULARY)


def tokens(folder: Path, rows: int) -> None:
    write_tokens(folder / "mono", folder / "tokens", langs=LANGS, tokenizers=folder / "models")


def first_batch(folder: Path, rows: int) -> None:
    """From the start of a training process to its first batch, torch's import left out."""
    from synthst.espnet.batches import ParallelTokens, TrainingBatches

    pairs = ParallelTokens(*(read_tokens(folder / "tokens", lang) for lang in LANGS))
    batches = TrainingBatches(
        pairs, batch_tokens=BATCH_TOKENS, steps_per_epoch=1_000, max_steps=1_000, seed=1
    )
    ids, _ = next(iter(batches.build_iter(1)))
    assert ids


def import_torch(folder: Path, rows: int) -> None:
    """What the step before holds that is no data."""
    import synthst.espnet.batches  # noqa: F401


DATA_STEPS: dict[str, Step] = {
    "make the files": make_files,
    "import": import_files,
    "filter, languages not told": clean,
    "subset: a tenth, the rest": subset,
    "combine: the two again": combine,
    "combine_pairs: 10 to 1": balance,
}
STAGE_STEPS: dict[str, Step] = {
    "make the pairs": make_data,
    "stage 3: deduplicate, plan": plan,
    "stage 3: plan, store all": decode,
    "stage 4: replace targets": replace,
    "stage 5: expand by a tenth": expand,
    "tokenisers, 50k sentences": tokenizers,
    "stage 6: token arrays": tokens,
    "import torch and espnet": import_torch,
    "first training batch": first_batch,
}
NO_LONGER_WANTED = {  # folders that make room before a step
    "filter, languages not told": ("files",),
    "subset: a tenth, the rest": ("imported",),
    "combine: the two again": ("clean",),
    "combine_pairs: 10 to 1": ("tenth", "rest"),
    "stage 5: expand by a tenth": ("data", "empty"),
    "stage 6: token arrays": ("synth", "store"),
    "first training batch": ("mono",),
}
PARTS = {"data": DATA_STEPS, "stages": STAGE_STEPS}
