"""What a model is meant for and where it ends: only what its lineage and its test sets tell."""

from collections.abc import Iterator, Mapping, Sequence

from synthst.pack.lineage import Origin
from synthst.pack.names import name_corpus
from synthst.pack.writers import Writer, describe_writer
from synthst.teacher.protocol import SearchSettings

SPOKEN = "speak_datadir"


def describe_limits(
    task: str,
    origins: Sequence[Origin],
    *,
    writer: Writer,
    label: str | None,
    is_scored: bool,
    cut_off: Mapping[str, tuple[int, int]],
) -> str:
    """Return the section on intended use and limitations; ``origins`` are what the model learnt from."""
    facts = [
        *_domain(task, origins, is_scored),
        describe_writer(writer, task, label),
        *_judgement(task, is_scored),
        *_lengths(task, origins, cut_off),
    ]
    return "\n".join(["## Intended use and limitations\n", *(f"- {fact}" for fact in facts), ""])


def _domain(task: str, origins: Sequence[Origin], is_scored: bool) -> Iterator[str]:
    unit = "sentences" if task == "mt" else "utterances"
    names = list(dict.fromkeys(name_corpus(origin) for origin in origins if origin.is_corpus))
    if names:
        yield f"For single {unit} of the kind it learnt from: {'; '.join(names)}."
        but = " but the scores on the test sets below" if is_scored else ""
        yield f"On other kinds of text nothing is known of it{but}."
    spoken = [str(origin.options.get("max_seconds")) for origin in origins if origin.step == SPOKEN]
    if task != "mt" and spoken:
        longest = f"{max(map(float, spoken)):g} seconds"
        yield f"It learnt from synthetic speech, read by the program espeak-ng, of at most {longest} each."


def _judgement(task: str, is_scored: bool) -> Iterator[str]:
    output = "transcripts" if task == "asr" else "translations"
    if is_scored:
        yield f"Its scores are automatic. No evaluation of its {output} by people is recorded."
    else:
        yield f"Its {output} have been neither scored nor judged by people, as far as is recorded."


def _lengths(task: str, origins: Sequence[Origin], cut_off: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    most = [origin.options.get("max_words") for origin in origins if origin.is_corpus]
    if most and all(isinstance(words, int) for words in most):
        yield f"Its training sentences have at most {max(map(int, map(str, most)))} words."
    if kept := [size for one in origins for size in _longest_kept(one)]:
        yield f"Length filters of its training data kept sentences of at most {max(kept)} tokens."
    default = SearchSettings()
    if task == "mt":
        limit = f"{default.max_ratio:g} times the tokens of its source and {default.max_extra} more"
        yield f"A translation is cut off at about {limit}, unless the search is told otherwise."
    for name, (cut, sentences) in cut_off.items():
        yield f"Of the outputs for the test set {name}, {cut:,} of {sentences:,} were cut off at the limit."


def _longest_kept(origin: Origin) -> Iterator[int]:
    filters = origin.options.get("filters")
    for spec in filters if isinstance(filters, list) else []:
        if (
            isinstance(spec, Mapping)
            and spec.get("name") == "length"
            and spec.get("unit", "tokens") == "tokens"
        ):
            yield int(spec.get("max_length", 250))
