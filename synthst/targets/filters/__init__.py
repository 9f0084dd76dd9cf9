"""The filters of sentence pairs, each an options class with its test and its source."""
