"""The errors that are the user's to mend; the command line prints them without a traceback."""


class SynthstError(Exception):
    """Say what was wanted, what was found, where, and what to do next."""


class DataError(SynthstError):
    """A file or directory does not hold what it should."""


class ConfigError(SynthstError):
    """An option or a configuration file asks for what cannot be done."""
