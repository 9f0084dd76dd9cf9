"""Train machine- and speech-translation students on a teacher's translations."""

from synthst.errors import ConfigError, DataError, SynthstError

__version__ = "0.1.0"

__all__ = ["ConfigError", "DataError", "SynthstError", "__version__"]
