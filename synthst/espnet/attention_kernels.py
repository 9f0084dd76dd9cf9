"""Keep torch's attention on GPUs away from cuDNN; import this wherever attention is computed.

torch 2.11 tries cuDNN's kernels first on Hopper GPUs. Some of them resolve dropout to sixteenths only: a rate
of 0.1 becomes another one without a word. And they make a plan for every new shape, which costs up to half a
second, and batches of sentences have about a hundred. Flash and memory-efficient attention do neither.
"""

import torch

torch.backends.cuda.enable_cudnn_sdp(False)
