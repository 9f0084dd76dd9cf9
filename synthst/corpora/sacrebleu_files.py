"""Files of corpora that sacreBLEU can fetch, put where they are looked for."""

from collections.abc import Sequence
from pathlib import Path

from synthst.atomic import atomic_file
from synthst.errors import DataError
from synthst.testsets import find_files


def fetch_files(name: str, files: Sequence[Path], langs: tuple[str, str]) -> None:
    """Write sacreBLEU's set ``name`` as two ``files`` of lines, one for each of ``langs``.

    A file that is there stays as it is.
    Raises DataError that tells how to make them by hand when sacreBLEU does not have or cannot fetch the set.
    """
    src, tgt = langs
    try:
        source, references = find_files(name, src=src, tgt=tgt)
    except DataError as error:
        command, folder = f"sacrebleu -t {name} -l {src}-{tgt} --echo", files[0].parent
        raise DataError(
            f"{error} Where there is one, make the files by `{command} src > {files[0].name}` and "
            f"`{command} ref > {files[1].name}`, and put them into {folder}; "
            "or take the corpus out of the list"
        ) from error
    for path, found in zip(files, (source, references[0]), strict=True):
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(path) as file:
                file.write(found.read_bytes())
