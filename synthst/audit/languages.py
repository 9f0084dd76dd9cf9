"""Tell how sure the detector of the filter `language` is that a target is in another language."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from synthst.audit.pairs import Floats, in_processes
from synthst.errors import ConfigError, install_command
from synthst.targets.filters.language import Language, load_detector

FILTER = Language(side="target")


def why_not_detected(lang: str) -> str:
    """Return why the language cannot be told, or "" if it can."""
    try:
        known = language_code(lang) in load_detector().labels
    except ConfigError:
        return f"py3langid is not installed ({install_command('langid')})"
    return "" if known else f"py3langid does not know the language {lang}"


def measure_other_language(targets: Sequence[str], lang: str, *, workers: int = 1) -> Floats:
    """Return the probability that a text is not in ``lang``, in 0..1; 0 if that is the likeliest language.

    It is 0, too, for texts of fewer letters than the filter judges. Above 1 - ``FILTER.min_probability`` the
    filter drops a pair.
    """
    return in_processes(partial(_measure, code=language_code(lang)), targets, workers=workers)


def language_code(lang: str) -> str:
    """Return the language of pt-BR, zh_TW or sr@latin as the detector writes it."""
    return lang.lower().replace("_", "-").replace("@", "-").split("-")[0]


def _measure(targets: Sequence[str], *, code: str) -> Floats:
    return np.array([_measure_one(text, code) for text in targets], float)


def _measure_one(text: str, code: str) -> float:
    if sum(map(str.isalpha, text)) < FILTER.min_letters or load_detector().classify(text)[0] == code:
        return 0.0
    return 1.0 - float(dict(load_detector().rank(text))[code])
