"""Let mtdata (Gowda et al., ACL 2021) fetch corpora that a recipe in its own YAML form lists.

mtdata lives in an environment of its own, for it wants other versions of libraries: by default `uv` makes
one. It downloads a corpus once, into a cache that all recipes may share, and unpacks TMX, TSV, SGM, XML and
archives into two files of as many lines.
"""

import hashlib
import logging
import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from synthst.errors import ConfigError, DataError
from synthst.info import is_made, write_info

logger = logging.getLogger(__name__)

COMMAND = "uv tool run --from mtdata==0.5.1 mtdata"
FIELDS = {"train": "raw", "dev": "dev", "test": "test"}  # of a recipe, and the set that it goes into
# fmt: off
_CODES = {  # ISO 639-3, as mtdata writes languages, and 639-1
    "ara": "ar", "bul": "bg", "ces": "cs", "dan": "da", "deu": "de", "ell": "el", "eng": "en", "est": "et",
    "fin": "fi", "fra": "fr", "gle": "ga", "hrv": "hr", "hun": "hu", "isl": "is", "ita": "it", "jpn": "ja",
    "kor": "ko", "lav": "lv", "lit": "lt", "mlt": "mt", "nld": "nl", "pol": "pl", "por": "pt", "ron": "ro",
    "rus": "ru", "slk": "sk", "slv": "sl", "spa": "es", "swe": "sv", "tur": "tr", "ukr": "uk", "zho": "zh",
}
# fmt: on


class Recipe(NamedTuple):
    """One recipe of an mtdata file: its id, and the set of each corpus; train goes into raw."""

    id: str
    sets: Mapping[str, str]


def read_recipe(path: Path) -> Recipe:
    """Read the only recipe of a file in mtdata's form. Raises ConfigError for anything else."""
    try:
        items = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; name an mtdata recipe") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is no YAML: {error}; mend it") from error
    if not isinstance(items, list) or len(items) != 1 or not isinstance(items[0], dict):
        raise ConfigError(f"{path} is no list of one recipe; write - id: NAME, langs, train, dev, test")
    sets: dict[str, str] = {}
    for field, name in FIELDS.items():
        listed = items[0].get(field) or []
        for item in [listed] if isinstance(listed, str) else listed:
            if item in sets:
                raise ConfigError(f"{path} lists {item} twice; leave one out")
            sets[str(item)] = name
    if "id" not in items[0] or not sets:
        raise ConfigError(f"{path} lacks an id or has no corpus; write id, langs, and train, dev or test")
    return Recipe(str(items[0]["id"]), sets)


def languages_of(dataset: str) -> tuple[str, str]:
    """Return the languages of Statmt-europarl-10-deu-eng, in its order: de, en."""
    codes = [part.partition("_")[0] for part in dataset.split("-")[-2:]]
    if unknown := [code for code in codes if code not in _CODES]:
        raise ConfigError(f"{dataset}: the language {unknown[0]} is not known here; give its files instead")
    first, second = (_CODES[code] for code in codes)
    return first, second


def fetch_recipe(path: Path, downloads: Path, *, command: str = COMMAND, jobs: int = 4) -> Path:
    """Run `mtdata get-recipe`; return the folder that it fills, ``downloads``/mtdata-<id>.

    Its cache is ``downloads``/mtdata-cache unless MTDATA says otherwise. Started again it goes on with what
    is lacking, and does nothing when all is there. Raises DataError when mtdata fails, as without a network.
    """
    recipe = read_recipe(path)
    folder = downloads / f"mtdata-{recipe.id}"
    made_by = {"step": "fetch_recipe", "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    if (folder / "info.json").exists() and is_made(folder, made_by):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    _link_recipe(path, folder)
    environment = {"MTDATA": str((downloads / "mtdata-cache").resolve()), **os.environ}
    environment["MTDATA_RECIPES"] = str(folder.resolve())
    words = [*shlex.split(command), "--no-pbar", "get-recipe", "--recipe-id", recipe.id, "--out", str(folder)]
    words += ["--no-merge", "--compress", "--fail-on-error", "--n-jobs", str(jobs)]
    logger.info("%s", shlex.join(words))
    _run(words, environment, recipe)
    write_info(folder, made_by)
    return folder


def find_files(folder: Path, dataset: str) -> list[str]:
    """Name the two files that mtdata made of a corpus, in its own order of languages."""
    found = []
    for lang in dataset.split("-")[-2:]:
        names = [f"{dataset}.{lang}.gz", f"{dataset}.{lang}"]
        paths = [folder / part / name for part in ("train-parts", "tests") for name in names]
        there = [path for path in paths if path.is_file()]
        if not there:
            raise DataError(
                f"mtdata left no {names[0]} in {folder}/train-parts or tests; see its errors.tsv, remove "
                f"{folder}/info.json and run stage 1 again"
            )
        found.append(str(there[0]))
    return found


def _link_recipe(path: Path, folder: Path) -> None:
    """Put the recipe where mtdata looks for recipes, and under the name that it looks for."""
    (folder / "mtdata.recipes.yml").write_bytes(path.read_bytes())


def _run(words: list[str], environment: Mapping[str, str], recipe: Recipe) -> None:
    remedy = "it needs a network: run stage 1 where there is one, and it goes on with what is lacking"
    try:
        code = subprocess.run(words, env=environment, check=False).returncode
    except OSError as error:
        raise ConfigError(
            f"{words[0]} cannot be run ({error.strerror}); install uv, or mtdata in an environment of its "
            "own and give --mtdata PATH/bin/mtdata"
        ) from error
    if code:
        raise DataError(f"mtdata failed with exit status {code} at its recipe {recipe.id}; {remedy}")
