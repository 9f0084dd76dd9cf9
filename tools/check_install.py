"""Print the versions of what synthst runs on, and what each missing optional part is for."""

import importlib
import importlib.metadata
import platform
import shutil
import sys

REQUIRED = {  # distribution -> module
    "synthst": "synthst",
    "espnet": "espnet2",
    "torch": "torch",
    "torchaudio": "torchaudio",
    "sentencepiece": "sentencepiece",
    "sacrebleu": "sacrebleu",
    "duckdb": "duckdb",
    "pyarrow": "pyarrow",
    "jsonargparse": "jsonargparse",
    "librosa": "librosa",
    "kaldiio": "kaldiio",
    "soundfile": "soundfile",
}
OPTIONAL_PACKAGES = {
    "espeakng-loader": "speech from text (egs/libreoffice/st1)",
    "lhotse": "synthst import_lhotse",
    "ctranslate2": "teachers ct2:DIR, synthst convert and export",
    "transformers": "teachers hf:NAME, synthst convert",
    "openai": "teachers llm:FILE",
    "dask-jobqueue": "synthst decode --cluster",
    "py3langid": "the filter for the wrong language",
    "pytest": "make test",
    "hypothesis": "make test (property tests)",
    "ruff": "make check (style)",
    "mypy": "make check (types)",
}
OPTIONAL_PROGRAMS = {
    "apt-get": "stage 1 of the recipes on Debian packages; without it give --deb_dir FOLDER",
    "dpkg-deb": "unpacking Debian packages quickly",
    "chromium": "make test (pages in a browser)",
    "nvidia-smi": "training and decoding on a GPU (--ngpu)",
}


def check_required() -> list[str]:
    """Print each required part's version; return those that do not import."""
    broken = []
    for distribution, module in REQUIRED.items():
        try:
            importlib.import_module(module)
            print(f"  {distribution:<14} {importlib.metadata.version(distribution)}")
        except (ImportError, OSError) as error:
            broken.append(distribution)
            print(f"  {distribution:<14} BROKEN: {error}")
    return broken


def report_missing() -> None:
    """Print one line per optional part that is missing and what it is for."""
    for package, purpose in OPTIONAL_PACKAGES.items():
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            print(f"  missing, optional: {package} ({purpose})")
    for program, purpose in OPTIONAL_PROGRAMS.items():
        if shutil.which(program) is None:
            print(f"  missing, optional: {program} ({purpose})")


def main() -> int:
    """Check the installation; return 1 when a required part does not work."""
    print(f"  {'python':<14} {platform.python_version()} ({sys.executable})")
    broken = check_required()
    report_missing()
    if broken:
        print(f"broken: {', '.join(broken)}; run tools/setup.sh --force")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
