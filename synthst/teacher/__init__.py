"""Teachers, and the decoding of a corpus with one."""
