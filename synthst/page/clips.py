"""Turn the speech of test sentences into data: URIs, as MP3, which every browser plays."""

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import soundfile
from tqdm import tqdm

from synthst.audio import AudioError, read_audio
from synthst.html import data_uri
from synthst.page.models import find_recorded
from synthst.speechtables import Utterance, read_utterances

logger = logging.getLogger(__name__)

RATE = 16_000  # Hz
COMPRESSION = 0.8  # from 0, the largest and best, to 1


@dataclass
class Budget:
    """How many bytes of a page may still become audio, and what could not be read."""

    left: float
    unread: list[str] = field(default_factory=list)


def make_clips(data: Path, wanted: Sequence[str], model: Path, budget: Budget) -> dict[str, str]:
    """Return data: URIs of the ``wanted`` utterances of ``data``, in this order, while budget is left.

    Files of a relative path are looked for as `find_recorded` does. What cannot be read is put on record.
    """
    utterances = {one.id: one for one in read_utterances(data)}
    clips: dict[str, str] = {}
    for id_ in tqdm(wanted, desc="audio", disable=None, leave=False):
        if id_ not in utterances:
            budget.unread.append(f"{data}/wav.scp has no {id_}")
            continue
        try:
            clip = encode_clip(utterances[id_], model)
        except AudioError as error:
            budget.unread.append(str(error))
            continue
        if len(clip) > budget.left:
            break
        budget.left -= len(clip)
        clips[id_] = clip
    logger.info("%s: audio of %d sentences of %d", data, len(clips), len(wanted))
    return clips


def encode_clip(utterance: Utterance, model: Path) -> str:
    """Return an utterance as the data: URI of an MP3; several channels are mixed."""
    wav = utterance.wav
    if not wav.endswith("|") and (found := find_recorded(Path(wav), model)) is not None:
        wav = str(found)
    samples, rate = read_audio(wav, start=utterance.start, end=utterance.end, rate=RATE, channel=-1)
    buffer = io.BytesIO()
    soundfile.write(
        buffer, samples, rate, format="MP3", subtype="MPEG_LAYER_III", compression_level=COMPRESSION
    )
    return data_uri(buffer.getvalue(), "audio/mpeg")
