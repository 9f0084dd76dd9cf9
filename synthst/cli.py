"""The command line: `synthst <command>`, each command a typed function, its options the function's."""

import importlib
import inspect
import itertools
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

from synthst.errors import ConfigError, SynthstError

USAGE = "usage: synthst COMMAND [options]; synthst COMMAND --help tells the options"
GROUPS = {  # heading -> name -> (module, function, one line of help)
    "Corpora": {
        "prepare_libreoffice": (
            "corpora.libreoffice",
            "prepare_libreoffice",
            "LibreOffice's help, two languages",
        ),
        "prepare_spoken_libreoffice": ("corpora.spoken", "prepare_spoken_libreoffice", "those texts, spoken"),
        "prepare_steel_sky": (
            "corpora.steel_sky",
            "prepare_steel_sky",
            "Beneath a Steel Sky: speech, translated",
        ),
        "prepare_wesnoth": ("corpora.wesnoth", "prepare_wesnoth", "Battle for Wesnoth, two languages"),
        "prepare_descriptions": (
            "corpora.descriptions",
            "prepare_descriptions",
            "Debian's package descriptions, two languages",
        ),
        "prepare_handbook": (
            "corpora.handbook",
            "prepare_handbook",
            "Debian's and GNOME's manuals, two languages",
        ),
        "prepare_asterisk": (
            "corpora.asterisk",
            "prepare_asterisk",
            "telephone prompts: speech with transcripts",
        ),
        "prepare_bitext": (
            "corpora.bitext",
            "prepare_bitext",
            "published parallel corpora, by mtdata or files",
        ),
        "prepare_mustc": (
            "corpora.mustc",
            "prepare_mustc",
            "MuST-C, ST-TED or Europarl-ST: speech, translated",
        ),
        "prepare_covost": ("corpora.clips", "prepare_covost", "CoVoST 2: speech, translated"),
        "prepare_iwslt": ("corpora.iwslt", "prepare_iwslt", "IWSLT's speech translation test sets"),
        "prepare_commonvoice": (
            "corpora.clips",
            "prepare_commonvoice",
            "Common Voice: speech with transcripts",
        ),
        "prepare_tedlium": ("corpora.tedlium", "prepare_tedlium", "TED-LIUM 3: speech with transcripts"),
        "prepare_asr": (
            "corpora.asr",
            "prepare_asr",
            "LibriSpeech or VoxPopuli, by lhotse: transcribed speech",
        ),
        "check_sources": (
            "corpora.speech_sources",
            "check_sources",
            "are all speech corpora of a recipe there?",
        ),
    },
    "Data directories": {
        "import": ("commands", "import_text", "bring your own parallel text in"),
        "import_lhotse": ("corpora.lhotse", "import_lhotse", "bring lhotse's manifests in"),
        "speak": ("corpora.spoken", "speak_datadir", "speak a data directory's texts with espeak-ng"),
        "check": ("commands", "check", "check a data directory; print counts, lengths, hours"),
        "check_speech": (
            "speechdir",
            "check_speech",
            "check audio with limits of your own; drop what is bad",
        ),
        "subset": ("commands", "choose_subset", "choose a nested subset and keep the rest apart"),
        "combine": ("datadir", "combine_datadirs", "put data directories together"),
        "combine_pairs": ("multilingual", "combine_pairs", "put several language pairs together"),
        "filter": ("targets.filter", "filter_datadir", "drop bad pairs of any data directory; say why"),
    },
    "Teachers and their translations": {
        "teacher": ("teacher_commands", "make_teacher", "train the teacher, or name one made elsewhere"),
        "convert": ("teacher.convert", "convert_model", "make a CTranslate2 model of one for transformers"),
        "decode": (
            "teacher_commands",
            "decode",
            "translate sources into a translation store; --check: is it complete?",
        ),
        "nbest": (
            "targets.candidates",
            "write_candidates",
            "list the stored hypotheses, to read or to judge elsewhere",
        ),
    },
    "Synthetic targets": {
        "replace_targets": ("targets.replace", "replace_targets", "put translations in place of references"),
        "expand_targets": ("targets.expand", "expand_targets", "add source-only text with its translations"),
        "expand_with_speech": (
            "speech_commands",
            "expand_with_speech",
            "add speech that has only transcripts",
        ),
        "train_restorer": (
            "targets.train_restorer",
            "train_restorer",
            "learn to restore case and punctuation from text",
        ),
        "audit": ("audit.command", "audit", "look at synthetic targets: a page, and the numbers as JSON"),
    },
    "Training": {
        "train_tokenizers": ("tokens", "train_tokenizers", "train SentencePiece models"),
        "tokens": ("tokens", "write_tokens", "turn a data directory into token arrays"),
        "dump": ("dump", "dump_audio", "write audio at one rate, with copies at other speeds"),
        "train": ("espnet.train", "train_model", "train a student or a teacher"),
        "train_recogniser": ("espnet.speech_train", "train_recogniser", "train a recogniser on speech"),
        "train_speech": ("espnet.speech_train", "train_speech_translator", "train a speech translator"),
        "join_training": ("espnet.train", "join_training", "train along, on another node, in what one began"),
    },
    "Translations and scores": {
        "translate": (
            "translate_lines",
            "translate",
            "translate lines of standard input with any teacher or student",
        ),
        "translate_sets": ("commands", "translate_sets", "translate test sets with trained models"),
        "translate_speech": ("speech_commands", "translate_speech", "decode dumped test sets"),
        "resegment": ("resegment", "resegment", "cut translations of talks again, at the references' lines"),
        "score": ("score", "score_system", "BLEU and chrF2 of one translation"),
        "results": ("commands", "write_results", "score and compare all models of an experiment; RESULTS.md"),
    },
    "Experiments": {
        "table": ("experiments.command", "table", "run an experiment's cells; its table beside the paper's"),
        "plan": ("estimate.command", "plan", "stages, sizes and hours of a recipe: ./run.sh --dry_run true"),
        "report": ("page.command", "report", "one HTML page over all finished experiments below a folder"),
        "curves": ("analysis.curves", "curves", "training loss and its variance over the steps (Figure 1)"),
        "topk": ("analysis.topk", "topk", "BLEU against k in top-k sampling (Figure 3)"),
        "switch_plot": ("analysis.switch", "switch_plot", "plot dev BLEU while targets change (Figure 2)"),
        "entropy": ("analysis.entropy", "entropy", "how sure a model is of its next token (Table 8)"),
        "entropy_table": (
            "analysis.table8",
            "entropy_table",
            "entropies of several models beside the paper's",
        ),
    },
    "Models to share": {
        "export": (
            "espnet.export",
            "export_model",
            "make a CTranslate2 model of a trained one, usable without torch",
        ),
        "pack": ("pack.command", "pack", "write a trained model and its card into one file, to share"),
        "unpack": ("pack.command", "unpack", "make a model directory of a pack again"),
    },
}
COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return 0, 1 after an error in the data, 2 after one in the options."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(describe_commands())
        return 0 if arguments else 2
    name, options = arguments[0], arguments[1:]
    if name not in COMMANDS:
        print(f"synthst: unknown command {name!r}\n{describe_commands()}", file=sys.stderr)
        return 2
    configure_logging()
    try:
        run_command(name, options)
    except SynthstError as error:
        print(f"synthst {name}: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    except KeyboardInterrupt:
        print(f"synthst {name}: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def describe_commands() -> str:
    """Return the help of `synthst --help`."""
    lines = [USAGE]
    for heading, group in GROUPS.items():
        lines += ["", f"{heading}:", *(f"  {name:<28}{line}" for name, (_, _, line) in group.items())]
    return "\n".join(lines)


def run_command(name: str, options: Sequence[str]) -> None:
    """Import the command's module, and only that, and call its function with the parsed options."""
    from jsonargparse import auto_cli

    command, settings = _find_command(name)
    auto_cli(command, args=complete_flags(command, options), **settings)


def check_command(name: str, options: Sequence[str]) -> None:
    """Read a command's options and settings files as `run_command` does, but run nothing.

    Raises ConfigError for what the command would refuse, and for an unknown command.
    """
    from jsonargparse import ArgumentError, auto_parser

    if name not in COMMANDS:
        raise ConfigError(f"unknown command {name!r}; `synthst --help` lists those there are")
    command, settings = _find_command(name)
    parser = auto_parser(command, exit_on_error=False, **settings)
    try:
        parser.instantiate(parser.parse_args(complete_flags(command, options)))
    except ArgumentError as error:
        raise ConfigError(str(error)) from error


def _find_command(name: str) -> tuple[Callable[..., object], dict[str, Any]]:
    """Return a command's function and what its parser is made with."""
    from synthst.command_help import CommandHelpFormatter, describe

    module, function, _ = COMMANDS[name]
    command = getattr(importlib.import_module(f"synthst.{module}"), function)
    positional = name in ("check", "audit", "table", "report")
    return command, {
        "as_positional": positional,
        "prog": f"synthst {name}",
        "description": describe(command, positional=positional),
        "formatter_class": CommandHelpFormatter,
    }


def complete_flags(command: Callable[..., object], options: Sequence[str]) -> list[str]:
    """Let ``--check`` stand for ``--check true`` where the command's ``check`` is a bool."""
    parameters = inspect.signature(command).parameters
    flags = {f"--{name}" for name, parameter in parameters.items() if parameter.annotation is bool}
    completed = []
    for option, following in itertools.zip_longest(options, options[1:]):
        completed.append(option)
        if option in flags and (following is None or following.startswith("--")):
            completed.append("true")
    return completed


def configure_logging() -> None:
    """Show our lines from INFO on, others' from WARNING on; once, however often a process calls it."""
    if any(handler.name == "synthst" for handler in logging.getLogger().handlers):
        return
    handler = logging.StreamHandler()
    handler.name = "synthst"
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    handler.addFilter(lambda record: record.levelno >= logging.WARNING or record.name.startswith("synthst"))
    logging.getLogger().addHandler(handler)
    logging.getLogger("synthst").setLevel(logging.INFO)


if __name__ == "__main__":
    sys.exit(main())
