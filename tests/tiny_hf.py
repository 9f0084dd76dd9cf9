"""Tiny models of the transformers library with random weights, saved as a user would have them."""

import io
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sentencepiece
import torch
import transformers
from transformers.utils import logging

from synthst.teacher.convert import convert_model

logging.set_verbosity_error()
logging.disable_progress_bar()

SENTENCES = [
    "Click the icon to open the file.",
    "Klicken Sie auf das Symbol, um die Datei zu öffnen.",
    "Save the document.",
    "Speichern Sie das Dokument.",
    "The table has three rows and four columns.",
    "Die Tabelle hat drei Zeilen und vier Spalten.",
]
SOURCES = [
    "Open the file.",
    "Save",
    "The three rows of the table have icons.",
    "Click the document to save it, then the icon.",
    "The four icons",
    "a",
]
NO_STOPS = str.maketrans("", "", ",.")


def train_pieces(path: Path, **options: Any) -> list[str]:
    """Train a SentencePiece model; return its pieces without the special ones."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(SENTENCES * 3),
        model_writer=model,
        vocab_size=70,
        hard_vocab_limit=False,
        minloglevel=2,
        **options,
    )
    path.write_bytes(model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return [processor.IdToPiece(i) for i in range(len(processor)) if not processor.IsControl(i)][1:]


def draw_weights(model: Any) -> None:
    """Draw weights with which different sources have different translations."""
    generator = torch.Generator().manual_seed(3)
    for name, weights in model.named_parameters():
        if "embed_positions" in name and model.config.model_type == "fsmt":
            continue  # computed, no parameter of its files
        if weights.dim() > 1:
            weights.data.normal_(0.0, 0.35, generator=generator)
        elif "bias" in name:
            weights.data.normal_(0.0, 0.1, generator=generator)


def save(model: Any, tokenizer: Any, directory: Path) -> Path:
    """Draw the weights and save both."""
    draw_weights(model)
    model.get_input_embeddings().weight.data[tokenizer.eos_token_id] *= 6  # so that some targets end
    model.get_input_embeddings().weight.data[tokenizer.pad_token_id] = 0.0  # as training leaves it
    model.eval().save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


SIZES: dict[str, Any] = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "scale_embedding": True,
}


def make_marian(directory: Path, *, languages: tuple[str, ...] = ()) -> Path:
    """Make an OPUS-MT model; with ``languages`` one with several targets."""
    directory.mkdir(parents=True)
    pieces = train_pieces(directory / "source.spm")
    train_pieces(directory / "target.spm")
    tokens = ["</s>", "<unk>", *(f">>{language}<<" for language in languages), *pieces, "<pad>"]
    vocabulary = directory / "vocab.json"
    vocabulary.write_text(json.dumps({token: i for i, token in enumerate(tokens)}), encoding="utf-8")
    files = {name: str(directory / f"{name.replace('_', '.')}") for name in ("source_spm", "target_spm")}
    tokenizer = transformers.MarianTokenizer(**files, vocab=str(vocabulary))
    pad = len(tokens) - 1
    config = transformers.MarianConfig(
        vocab_size=len(tokens),
        max_position_embeddings=96,
        pad_token_id=pad,
        eos_token_id=0,
        decoder_start_token_id=pad,
        forced_eos_token_id=0,
        activation_function="swish",
        **SIZES,
    )
    model = transformers.MarianMTModel(config)
    model.generation_config.bad_words_ids = [[pad]]
    return save(model, tokenizer, directory)


def make_m2m(directory: Path) -> Path:
    """Make an M2M-100 model."""
    directory.mkdir(parents=True)
    pieces = train_pieces(directory / "spm.model")
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *pieces]
    vocabulary = directory / "vocab.json"
    vocabulary.write_text(json.dumps({token: i for i, token in enumerate(tokens)}), encoding="utf-8")
    tokenizer = transformers.M2M100Tokenizer(str(vocabulary), str(directory / "spm.model"))
    config = transformers.M2M100Config(
        vocab_size=len(tokens) + 100 + 8, max_position_embeddings=64, decoder_start_token_id=2, **SIZES
    )
    return save(transformers.M2M100ForConditionalGeneration(config), tokenizer, directory)


def make_nllb(directory: Path) -> Path:
    """Make an NLLB model: its architecture is M2M-100's, its tokeniser its own."""
    directory.mkdir(parents=True)
    pieces = train_pieces(directory / "spm.model", model_type="bpe")
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *pieces]
    known = set(pieces)
    merges = [
        (piece[:i], piece[i:])
        for piece in pieces
        for i in range(1, len(piece))
        if piece[:i] in known and piece[i:] in known
    ]
    tokenizer = transformers.NllbTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=merges)
    config = transformers.M2M100Config(
        vocab_size=len(tokenizer), max_position_embeddings=64, decoder_start_token_id=2, **SIZES
    )
    return save(transformers.M2M100ForConditionalGeneration(config), tokenizer, directory)


def make_mbart(directory: Path) -> Path:
    """Make an mBART-50 model."""
    directory.mkdir(parents=True)
    pieces = train_pieces(directory / "spm.model")
    scored = [
        ("<unk>", 0.0),
        ("<s>", 0.0),
        ("</s>", 0.0),
        *((piece, -float(i)) for i, piece in enumerate(pieces)),
    ]
    tokenizer = transformers.MBart50Tokenizer(vocab=scored)
    config = transformers.MBartConfig(
        vocab_size=len(tokenizer), max_position_embeddings=64, decoder_start_token_id=2, **SIZES
    )
    return save(transformers.MBartForConditionalGeneration(config), tokenizer, directory)


def spell_words(sentences: list[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the pieces of a byte pair encoding that spells words from the left, and its merges."""
    words = sorted({word for sentence in sentences for word in sentence.translate(NO_STOPS).split()})
    letters = sorted(set("".join(words)) | set(",.'"))
    merges: dict[tuple[str, str], None] = {}
    for word in words[::2]:  # the others stay in pieces
        merges |= dict.fromkeys(zip(itertools.accumulate(word[:-2]), word[1:-1], strict=True))
    ends = sorted({f"{letter}</w>" for letter in letters})
    return [*letters, *ends, *dict.fromkeys(first + second for first, second in merges)], list(merges)


def make_fsmt(directory: Path) -> Path:
    """Make an FSMT as the hub has them: a vocabulary for each side, and a tokeniser that names no end."""
    directory.mkdir(parents=True)
    specials, merges, sizes = ["<s>", "<pad>", "</s>", "<unk>"], [], []
    for side, sentences in (("src", SENTENCES[::2]), ("tgt", SENTENCES[1::2])):
        pieces, side_merges = spell_words(sentences)
        vocabulary = {token: i for i, token in enumerate([*specials, *pieces])}
        (directory / f"vocab-{side}.json").write_text(json.dumps(vocabulary), encoding="utf-8")
        merges += [" ".join(pair) for pair in side_merges]
        sizes.append(len(vocabulary))
    (directory / "merges.txt").write_text("".join(f"{merge}\n" for merge in merges), encoding="utf-8")
    tokenizer = {"langs": ["en", "de"], "model_max_length": 1024, "do_lower_case": False}
    (directory / "tokenizer_config.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    source, target = sizes
    config = transformers.FSMTConfig(
        src_vocab_size=source, tgt_vocab_size=target, max_position_embeddings=64, **SIZES
    )
    model = transformers.FSMTForConditionalGeneration(config)
    draw_weights(model)
    model.model.decoder.output_projection.weight.data[config.eos_token_id] *= 2  # so that some targets end
    weights = {name: value for name, value in model.state_dict().items() if "embed_positions" not in name}
    model.eval().save_pretrained(directory, state_dict=weights)
    return directory


def make_t5(directory: Path, *, languages: tuple[str, ...] = (), scaled: bool = True) -> Path:
    """Make a T5; with ``languages`` a MADLAD, whose sources say what to translate to."""
    directory.mkdir(parents=True)
    pieces = train_pieces(directory / "spm.model")
    scored = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((f"<2{code}>", 0.0) for code in languages)]
    scored += [(piece, -float(i)) for i, piece in enumerate(pieces)]
    tokenizer = transformers.T5Tokenizer(vocab=scored, extra_ids=0)
    if languages:
        tokenizer.add_tokens([f"<2{code}>" for code in languages])
    config = transformers.T5Config(
        vocab_size=len(tokenizer),
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_decoder_layers=2,
        num_heads=2,
        feed_forward_proj="relu" if scaled else "gated-gelu",
        decoder_start_token_id=0,
        tie_word_embeddings=scaled,
    )
    if not languages:
        config.task_specific_params = {"translation_en_to_de": {"prefix": "translate English to German: "}}
    return save(transformers.T5ForConditionalGeneration(config), tokenizer, directory)


MAKERS: dict[str, Callable[[Path], Path]] = {
    "marian": make_marian,
    "fsmt": make_fsmt,
    "opus-mul": lambda directory: make_marian(directory, languages=("deu", "fra")),
    "m2m": make_m2m,
    "nllb": make_nllb,
    "mbart": make_mbart,
    "t5": make_t5,
    "madlad": lambda directory: make_t5(directory, languages=("en", "de", "fr"), scaled=False),
}


class TinyModels:
    """Make each model when it is first asked for."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __getitem__(self, name: str) -> Path:
        """Return the directory of a model."""
        directory = self._root / name
        return directory if directory.exists() else MAKERS[name](directory)

    def converted(self, name: str) -> Path:
        """Return the directory of its CTranslate2 model, float32."""
        out = self._root / f"{name}-ct2"
        if not out.exists():
            convert_model(str(self[name]), out, quantisation="float32")
        return out
