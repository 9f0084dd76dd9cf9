"""Which languages a model translates between: one pair, or those that a multilingual one was made of."""

from collections.abc import Mapping, Sequence

from synthst.multilingual import SEVERAL, language_tag, split_pair
from synthst.pack.lineage import Origin


def find_directions(src: str, tgt: str, origins: Sequence[Origin]) -> list[tuple[str, str]]:
    """Return (source, target) of every pair that a model learnt; a recogniser's source is ""."""
    if SEVERAL not in (src, tgt):
        return [(src, tgt)]
    pairs = [origin.options.get("pairs") for origin in origins if origin.step == "combine_pairs"]
    named = [split_pair(str(name)) for one in pairs if isinstance(one, Mapping) for name in one]
    return list(dict.fromkeys(named)) or [(src, tgt)]


def list_tags(directions: Sequence[tuple[str, str]]) -> list[str]:
    """Return the tags that sources of a multilingual model begin with; none for a single pair."""
    if len(directions) < 2:
        return []
    return [language_tag(tgt) for tgt in dict.fromkeys(tgt for _, tgt in directions)]


def list_languages(directions: Sequence[tuple[str, str]]) -> list[str]:
    """Return every language once, sources first."""
    sides = [src for src, _ in directions] + [tgt for _, tgt in directions]
    return [lang for lang in dict.fromkeys(sides) if lang]
