"""LibreOffice's help texts, with a stage of one's own in Python: drop targets that copy their source.

Usage: python run_custom.py [--stage N] [--stop_stage M] [--option value ...]
The options are those of run.sh (./run.sh --help tells them) but for --targets, which is always synth.
Paths are relative to the folder of this file.

Stages: 1 to 4 are those of run.sh, and what it has made is not made again; 5 drop copies (our own),
  6 tokens, 8 train the student, 10 decode the test set, 11 score
"""

import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from synthst import commands
from synthst.datadir import is_made, new_directory, text_path, write_info
from synthst.errors import DataError
from synthst.recipe import Recipe, call
from synthst.tables import JoinedRow, join_tables, write_tables
from synthst.tokens import write_tokens

SHARED = Path("../../../conf")


@dataclass(frozen=True)
class Options:
    """The options of the command line, and the names of directories, as in run.sh."""

    langs: Literal["en-de", "en-es", "en-fr", "en-ru", "de-en", "es-en", "fr-en", "ru-en"] = "en-de"
    student: Literal["2x2", "6x6", "24x6"] = "2x2"
    subset: Literal["all"] | int = 4000
    teacher: str = "own"
    decode: str = "beam4"
    preset: Literal["full", "mini"] = "full"
    conf: Path | None = None
    ngpu: int = 0
    deb_dir: Path | None = None
    workdir: Path = Path()

    @property
    def pair(self) -> dict[str, str]:
        return dict(zip(("src", "tgt"), self.langs.split("-"), strict=True))

    @property
    def synth(self) -> str:
        return f"train_{self.subset}_synth_{re.sub('[^A-Za-z0-9.-]', '_', self.teacher)}_{self.decode}"

    @property
    def exp(self) -> Path:
        return self.workdir / "exp" / f"{self.langs}-{self.preset}"

    @property
    def student_dir(self) -> Path:
        return self.exp / f"mt_{self.student}_{self.synth}_nocopy"

    def data(self, name: str) -> Path:
        return self.workdir / "data" / f"{self.langs}-{self.preset}" / name


recipe = Recipe(__doc__, Options)


def run_sh(stage: int, options: Options) -> None:
    """Run one stage of run.sh with our options."""
    words = ["./run.sh", "--targets", "synth", "--stage", str(stage), "--stop_stage", str(stage)]
    for name, value in asdict(options).items():
        words += [f"--{name}", str(value)] if value is not None else []
    if subprocess.run(words, check=False).returncode:
        raise DataError(f"{' '.join(words)} failed, see above")


for number, title in enumerate(("prepare data", "teacher", "decode the sources", "replace targets"), start=1):
    recipe.stage(number, title)(partial(run_sh, number))


@recipe.stage(5, "drop copies")
def drop_copies(options: Options) -> None:
    """Leave out the pairs whose target is its source again, whatever the case."""
    data, out = options.data(options.synth), options.data(f"{options.synth}_nocopy")
    made_by = {"step": "drop_copies", "data": data, **options.pair}
    if is_made(out, made_by):
        return
    langs, counts = options.langs.split("-"), Counter(kept=0, dropped_copies=0)

    def kept_rows() -> Iterator[JoinedRow]:
        for utterance, (source, target) in join_tables([text_path(data, lang) for lang in langs]):
            if source.casefold() == target.casefold():
                counts["dropped_copies"] += 1
            else:
                counts["kept"] += 1
                yield utterance, (source, target)

    with new_directory(out) as folder:
        write_tables([text_path(folder, lang) for lang in langs], kept_rows())
        write_info(folder, made_by, counts=counts, parents=[data])


@recipe.stage(6, "tokens")
def make_tokens(options: Options) -> None:
    for data, tokens in ((f"{options.synth}_nocopy",) * 2, ("corpus/dev", "dev")):
        out, tokenizers = options.data(f"tokens_{tokens}"), options.data("tokenizers")
        write_tokens(options.data(data), out, langs=options.langs.split("-"), tokenizers=tokenizers)


@recipe.stage(8, "train the student")
def train_student(options: Options) -> None:
    from synthst.espnet.train import train_model  # torch takes seconds to load

    conf = options.conf or Path("conf", options.preset)
    subset = None if options.subset == "all" else options.subset
    call(
        train_model,
        config=[SHARED / f"student_{options.student}.yaml", conf / "student.yaml"],
        tokens=options.data(f"tokens_{options.synth}_nocopy"),
        valid_tokens=options.data("tokens_dev"),
        out=options.student_dir,
        tokenizers=options.data("tokenizers"),
        labels={"targets": "synth_nocopy", "student": options.student, "subset": subset},
        ngpu=options.ngpu,
        **options.pair,
    )


@recipe.stage(10, "decode the test set")
def decode_test_set(options: Options) -> None:
    call(
        commands.translate_sets,
        config=[SHARED / f"decode_{options.decode}.yaml"],
        models=[options.student_dir],
        data=options.data("corpus"),
        test_sets=["test"],
        ngpu=options.ngpu,
        **options.pair,
    )


@recipe.stage(11, "score")
def score(options: Options) -> None:
    commands.write_results(
        options.exp,
        data=options.data("corpus"),
        test_sets=["test"],
        out=options.workdir / "RESULTS.md",
        title=f"LibreOffice help, {options.langs}, preset {options.preset}",
        command=f"python {shlex.join(sys.argv)}",
        **options.pair,
    )


if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parent)
    sys.exit(recipe.run())
