"""Import ESPnet's attention without its remark on stderr, in every process, that flash_attn is not there."""

import contextlib
import io

with contextlib.redirect_stderr(io.StringIO()):
    import espnet2.legacy.nets.pytorch_backend.transformer.attention  # noqa: F401
