"""Let the memory that torch takes of a GPU grow in place; import this before torch touches a GPU.

Hardly two batches of sentences have the same shape, and torch's allocator keeps blocks of the sizes that
were asked for: what is free lies in pieces between them. Segments that expand get memory behind what they
have.
ESPnet's trainer touches the GPU when it is imported. An environment that says otherwise is left as it is.
"""

import os

NAME = "PYTORCH_CUDA_ALLOC_CONF"
SETTING = "expandable_segments:True"

if "PYTORCH_ALLOC_CONF" not in os.environ:  # its other name
    os.environ.setdefault(NAME, SETTING)
