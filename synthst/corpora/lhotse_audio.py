"""Find the audio of lhotse's recordings, and take single channels out of files with several."""

import sys
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from synthst.atomic import unwritable
from synthst.audio import read_audio
from synthst.dump_parts import encode_flac, to_pcm
from synthst.errors import DataError

MIXED = -1  # instead of a channel: the average of all


class _Place(NamedTuple):
    """A value of wav.scp, and which channel has to be taken out of it; None if it has only one."""

    wav: str
    channel: int | None


class AudioPlaces:
    """Name the recordings of wav.scp, one per channel that is used, and remember where their audio is."""

    def __init__(self, root: Path, channel: int | None) -> None:
        """Take what relative paths are below, and a channel for all supervisions, -1 to mix all, or None."""
        self._root, self._channel = root.absolute(), channel
        self._places: dict[str, _Place] = {}
        self._seen: set[Path] = set()

    def add(self, recording: Any, supervision: Any) -> str:
        """Return the name of the recording in wav.scp that has the supervision's channel.

        It is the recording's id, followed by ``-c<channel>`` if it has several channels. Raises DataError for
        audio that is missing or not in a file of its own, and when no channel is chosen.
        """
        if recording.transforms:
            raise DataError(
                f"the recording {recording.id} is changed when lhotse reads it ({recording.transforms[0]}); "
                "give the manifest without, as stage 6 resamples and changes the speed"
            )
        channel = self._choose_channel(recording, supervision)
        suffix = "-mixed" if channel == MIXED else f"-c{channel}"
        name = f"{recording.id}{suffix}" if recording.num_channels > 1 else str(recording.id)
        place = self._locate(recording, channel)
        if self._places.setdefault(name, place) != place:
            raise DataError(f"two recordings are called {name}; rename one, in the supervisions too")
        return name

    def write_audio(self, folder: Path, out: Path) -> dict[str, str]:
        """Return the rows of wav.scp, by name, after writing channels to ``folder``/audio.

        ``folder`` will be called ``out``. Raises DataError when the disk is full.
        """
        rows = {name: place.wav for name, place in self._places.items() if place.channel is None}
        several = {name: place for name, place in self._places.items() if place.channel is not None}
        hidden = not (several and sys.stderr.isatty())
        for number, (name, place) in enumerate(tqdm(several.items(), desc="channels", disable=hidden)):
            file = Path("audio", f"{number:05d}.flac")
            _write_channel(folder / file, place)
            rows[name] = str(out.absolute() / file)
        return rows

    def _locate(self, recording: Any, channel: int) -> _Place:
        if channel == MIXED and len(recording.sources) > 1:
            found = f"the channels of the recording {recording.id} are in {len(recording.sources)} files"
            raise DataError(f"{found} and cannot be mixed; choose one")
        source = next(
            source for source in recording.sources if channel == MIXED or channel in source.channels
        )
        wav = self._find(recording, source)
        if len(source.channels) == 1:
            return _Place(wav, None)
        return _Place(wav, MIXED if channel == MIXED else source.channels.index(channel))

    def _find(self, recording: Any, source: Any) -> str:
        """Return the value of wav.scp for a source of audio."""
        if source.type == "command":
            return f"{source.source.strip()} |"
        if source.type != "file":
            found = f"the recording {recording.id} is of type {source.type!r}"
            raise DataError(f"{found}; download or save its audio, and give a manifest with files")
        path = self._root / source.source
        if path not in self._seen and not path.is_file():
            raise DataError(
                f"{path} of the recording {recording.id} is missing; "
                "give audio_root, the directory that relative paths are below, or get the audio"
            )
        self._seen.add(path)
        return str(path)

    def _choose_channel(self, recording: Any, supervision: Any) -> int:
        """Return the id of a channel of the recording, -1 for the average of all."""
        if recording.num_channels == 1:
            return int(recording.channel_ids[0])
        if self._channel == MIXED:
            return MIXED
        found = supervision.channel if isinstance(supervision.channel, list) else [supervision.channel]
        wanted = found if self._channel is None else [self._channel]
        if len(wanted) > 1:
            told = f"the supervision {supervision.id} is on the channels {found}"
            raise DataError(f"{told}; choose a channel, or -1 to mix all")
        if wanted[0] not in recording.channel_ids:
            raise DataError(
                f"the recording {recording.id} has the channels {recording.channel_ids}, none is {wanted[0]} "
                f"(of the supervision {supervision.id}); choose another channel, or correct the manifest"
            )
        return int(wanted[0])


def _write_channel(path: Path, place: _Place) -> None:
    samples, rate = read_audio(place.wav, channel=place.channel)
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode_flac(to_pcm(samples)[0], rate))
    except OSError as error:
        raise unwritable(path, error) from error
