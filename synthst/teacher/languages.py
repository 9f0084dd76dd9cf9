"""Find the tags by which a multilingual model is told its languages, from what its vocabulary holds."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from synthst.errors import ConfigError

# ISO 639-1 codes and the tags of NLLB (FLORES-200); where a language has several scripts, the usual one.
# fmt: off
NLLB_TAGS = {
    "af": "afr_Latn", "ak": "aka_Latn", "am": "amh_Ethi", "ar": "arb_Arab", "as": "asm_Beng",
    "az": "azj_Latn", "ba": "bak_Cyrl", "be": "bel_Cyrl", "bg": "bul_Cyrl", "bm": "bam_Latn",
    "bn": "ben_Beng", "bo": "bod_Tibt", "bs": "bos_Latn", "ca": "cat_Latn", "cs": "ces_Latn",
    "cy": "cym_Latn", "da": "dan_Latn", "de": "deu_Latn", "dz": "dzo_Tibt", "ee": "ewe_Latn",
    "el": "ell_Grek", "en": "eng_Latn", "eo": "epo_Latn", "es": "spa_Latn", "et": "est_Latn",
    "eu": "eus_Latn", "fa": "pes_Arab", "ff": "fuv_Latn", "fi": "fin_Latn", "fj": "fij_Latn",
    "fo": "fao_Latn", "fr": "fra_Latn", "ga": "gle_Latn", "gd": "gla_Latn", "gl": "glg_Latn",
    "gn": "grn_Latn", "gu": "guj_Gujr", "ha": "hau_Latn", "he": "heb_Hebr", "hi": "hin_Deva",
    "hr": "hrv_Latn", "ht": "hat_Latn", "hu": "hun_Latn", "hy": "hye_Armn", "id": "ind_Latn",
    "ig": "ibo_Latn", "is": "isl_Latn", "it": "ita_Latn", "ja": "jpn_Jpan", "jv": "jav_Latn",
    "ka": "kat_Geor", "kg": "kon_Latn", "ki": "kik_Latn", "kk": "kaz_Cyrl", "km": "khm_Khmr",
    "kn": "kan_Knda", "ko": "kor_Hang", "ku": "kmr_Latn", "ky": "kir_Cyrl", "lb": "ltz_Latn",
    "lg": "lug_Latn", "li": "lim_Latn", "ln": "lin_Latn", "lo": "lao_Laoo", "lt": "lit_Latn",
    "lv": "lvs_Latn", "mg": "plt_Latn", "mi": "mri_Latn", "mk": "mkd_Cyrl", "ml": "mal_Mlym",
    "mn": "khk_Cyrl", "mr": "mar_Deva", "ms": "zsm_Latn", "mt": "mlt_Latn", "my": "mya_Mymr",
    "nb": "nob_Latn", "ne": "npi_Deva", "nl": "nld_Latn", "nn": "nno_Latn", "no": "nob_Latn",
    "ny": "nya_Latn", "oc": "oci_Latn", "om": "gaz_Latn", "or": "ory_Orya", "pa": "pan_Guru",
    "pl": "pol_Latn", "ps": "pbt_Arab", "pt": "por_Latn", "qu": "quy_Latn", "rn": "run_Latn",
    "ro": "ron_Latn", "ru": "rus_Cyrl", "rw": "kin_Latn", "sa": "san_Deva", "sc": "srd_Latn",
    "sd": "snd_Arab", "sg": "sag_Latn", "si": "sin_Sinh", "sk": "slk_Latn", "sl": "slv_Latn",
    "sm": "smo_Latn", "sn": "sna_Latn", "so": "som_Latn", "sq": "als_Latn", "sr": "srp_Cyrl",
    "ss": "ssw_Latn", "st": "sot_Latn", "su": "sun_Latn", "sv": "swe_Latn", "sw": "swh_Latn",
    "ta": "tam_Taml", "te": "tel_Telu", "tg": "tgk_Cyrl", "th": "tha_Thai", "ti": "tir_Ethi",
    "tk": "tuk_Latn", "tl": "tgl_Latn", "tn": "tsn_Latn", "tr": "tur_Latn", "ts": "tso_Latn",
    "tt": "tat_Cyrl", "tw": "twi_Latn", "ug": "uig_Arab", "uk": "ukr_Cyrl", "ur": "urd_Arab",
    "uz": "uzn_Latn", "vi": "vie_Latn", "wo": "wol_Latn", "xh": "xho_Latn", "yi": "ydd_Hebr",
    "yo": "yor_Latn", "zh": "zho_Hans", "zu": "zul_Latn",
}
# fmt: on


@dataclass(frozen=True)
class Tags:
    """How one model is told its languages; nothing for a model of one direction."""

    source: str | None = None
    """The token that the source begins with."""
    target: str | None = None
    """The token that the target is made to begin with."""
    text: str = ""
    """What is put before the source sentence."""


@dataclass(frozen=True)
class _Style:
    """A family of models: what its tags look like, and how a language code becomes one."""

    name: str
    pattern: re.Pattern[str]
    proof: str
    """A token that only this family has; without one, any token of the pattern is the proof."""
    forms: Callable[[str], list[str]]
    in_text: bool = False
    """Whether the target's tag stands before the source sentence, and the source has none."""


def _nllb_forms(code: str) -> list[str]:
    return [NLLB_TAGS.get(code, code), f"{code}_"]


def _m2m_forms(code: str) -> list[str]:
    return [f"__{code}__"]


def _mbart_forms(code: str) -> list[str]:
    return [f"{code}_"]


def _madlad_forms(code: str) -> list[str]:
    return [f"<2{code}>"]


def _marian_forms(code: str) -> list[str]:
    return [f">>{code}<<", f">>{NLLB_TAGS.get(code, code)[:3]}<<"]


STYLES = (
    _Style("NLLB", re.compile(r"[a-z]{3}_[A-Z][a-z]{3}"), "eng_Latn", _nllb_forms),
    _Style("M2M-100", re.compile(r"__[a-z]{2,3}__"), "__en__", _m2m_forms),
    _Style("mBART", re.compile(r"[a-z]{2}_[A-Z]{2}"), "en_XX", _mbart_forms),
    _Style("MADLAD", re.compile(r"<2[A-Za-z_]+>"), "<2en>", _madlad_forms, in_text=True),
    _Style("OPUS-MT", re.compile(r">>[A-Za-z_]+<<"), "", _marian_forms, in_text=True),
)


def find_tags(
    vocabulary: Collection[str],
    *,
    src: str | None,
    tgt: str | None,
    src_lang: str | None = None,
    tgt_lang: str | None = None,
) -> Tags:
    """Return the tags for translating ``src`` to ``tgt``, language codes such as en and de.

    ``src_lang`` and ``tgt_lang``, tags as the model has them (eng_Latn), go before those codes. Raises
    ConfigError when the model needs a language that is not given or that it does not know.
    """
    style, tags = _find_style(vocabulary)
    if style is None:
        if src_lang or tgt_lang:
            raise ConfigError(
                f"src_lang {src_lang}, tgt_lang {tgt_lang}: the model's vocabulary has no tags of languages; "
                f"leave them out"
            )
        return Tags()
    target = _find_tag(style, tags, tgt_lang or tgt, "tgt")
    if style.in_text:
        return Tags(text=f"{target} ")
    return Tags(source=_find_tag(style, tags, src_lang or src, "src"), target=target)


def language_tags(vocabulary: Collection[str]) -> frozenset[str]:
    """Return all tags of languages that a vocabulary holds; they are no text."""
    return frozenset(_find_style(vocabulary)[1])


def _find_style(vocabulary: Collection[str]) -> tuple[_Style | None, set[str]]:
    known = vocabulary if isinstance(vocabulary, set | dict) else set(vocabulary)
    for style in STYLES:
        if style.proof and style.proof not in known:
            continue
        if tags := {token for token in known if style.pattern.fullmatch(token)}:
            return style, tags
    return None, set()


def _find_tag(style: _Style, tags: set[str], language: str | None, side: str) -> str:
    if language in tags:
        return str(language)
    if language:
        for form in style.forms(language):
            found = [tag for tag in tags if tag == form or (form.endswith("_") and tag.startswith(form))]
            if len(found) == 1:
                return found[0]
    wanted = f"the language {language!r}" if language else f"a language ({side} is not given)"
    few = ", ".join(sorted(tags)[:5])
    raise ConfigError(
        f"this {style.name} model has no tag for {wanted}; give {side}_lang as one of its {len(tags)} tags, "
        f"such as {few}"
    )
