"""Keep fewer of the kernels that oneDNN compiles; import this before torch computes on a CPU.

In bfloat16 oneDNN compiles a kernel of half a megabyte for each new shape of a product and keeps 1,024 of
them, as torch's layer over it does. Batches of sentences hardly ever have the same number of tokens, so a
batch's some thirty kernels are of use to its own layers and then to none. An environment that says otherwise
is left as it is.
"""

import os

KERNELS = "128"
NAMES = "ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"  # both are read at the first use

for name in NAMES:
    os.environ.setdefault(name, KERNELS)
