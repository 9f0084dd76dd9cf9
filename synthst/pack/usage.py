"""How to use a packed model: commands and code to copy from its card."""

from collections.abc import Sequence

SPEECH_RATE = 16_000

_TEXT = """\
from pathlib import Path

from synthst.espnet.load import load_model
from synthst.espnet.search import SearchOptions
from synthst.espnet.translate import translate_sentences

model = load_model(Path("FILE"))
for best, *_ in translate_sentences(model, ["{sentence}"], SearchOptions(beam=4)):
    print(best.text)"""

_SPEECH = """\
from pathlib import Path

from synthst.audio import read_audio
from synthst.espnet.speech_load import load_speech_model
from synthst.espnet.speech_search import SearchOptions, search_speech

model = load_speech_model(Path("FILE"))
samples, _ = read_audio("speech.wav", rate={rate})
options = SearchOptions(beam=4, max_ratio=0.5)
for found in search_speech(model.model, [("speech", samples)], options, rate={rate}):
    print(model.tgt_tokenizer.decode(found.hypotheses[0].tokens))"""

_ESPNET = (
    'ESPnet loads it, too: `unpack("FILE", "DIR")` of `espnet2.main_funcs.pack_funcs` returns the '
    "arguments for `{name}` of `espnet2.bin.{task}_inference` that name config and weights. The model is the "
    "same. That search has other defaults: set its weights of CTC, language model and n-grams, and "
    "`normalize_length`; even so its output may be another.{more}\n"
)
_ESPNET_TEXT = " It takes the ids of the source's pieces in `src_token_list` of config.yaml."


def show_text_usage(tags: Sequence[str]) -> str:
    """Return the section on a model of text; ``tags`` are those of a multilingual one's target languages."""
    sentence = f"{tags[0]} A sentence." if tags else "A sentence."
    return _join(
        _tell_tags(tags),
        fenced(f'echo "{sentence}" | synthst translate --model FILE', "bash"),
        fenced(_TEXT.format(sentence=sentence), "python"),
        _ESPNET.format(task="mt", name="Text2Text", more=_ESPNET_TEXT),
    )


def show_speech_usage(task: str, rate: int, *, is_espnet_s: bool) -> str:
    """Return the section on a model of speech that was trained on audio of ``rate`` Hz.

    ``is_espnet_s`` tells whether ESPnet can build it.
    """
    several = (
        "For many recordings: `synthst unpack --pack FILE --out DIR`, `synthst dump` on a speech data "
        "directory, then `synthst translate_speech --models [DIR]`.\n"
    )
    espnet = _ESPNET.format(task=task, name="Speech2Text", more="") if is_espnet_s else ""
    return _join(fenced(_SPEECH.format(rate=rate), "python"), several, espnet)


def fenced(text: str, language: str = "") -> str:
    """Return a block of code in Markdown."""
    return f"```{language}\n{text}\n```\n"


def _tell_tags(tags: Sequence[str]) -> str:
    if not tags:
        return ""
    known = ", ".join(f"`{tag}`" for tag in tags)
    if len(tags) == 1:
        return f"Put {known}, the tag of the language to translate into, and a blank before each sentence.\n"
    return (
        "The tag before a sentence chooses the language to translate into: one of "
        f"{known}, and a blank. Without a tag the model may write any of these languages.\n"
    )


def _join(*parts: str) -> str:
    """Return the section with FILE explained."""
    told = "FILE is the pack, as it was downloaded; the Python package synthst reads it.\n"
    return "\n".join(["## Use\n", told, *filter(None, parts)])
