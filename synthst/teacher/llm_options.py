"""What a language model behind an endpoint is asked, and how: the YAML file of `--teacher llm:FILE`."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import yaml

from synthst.errors import ConfigError
from synthst.fill import fill_options

PROMPT = (
    "Translate this sentence from {src} into {tgt}. Answer with the translation alone, on one line, "
    "without notes.\n\n{source}"
)
REFUSALS = (
    r"\A\W*(i['’]?m|i am) (very |so )?(sorry|afraid),? (but )?i['’]? ?(can|am|m|will|do|won)",
    r"\A\W*i (can['’]?t|cannot|am unable to|am not able to) (translate|assist|help|provide|fulfil)",
    r"\bas an ai\b|\b(ai|large) language model\b",
)
PLACE_AND_SPEED = {  # what changes no translation: it is not in the identity
    "base_url",
    "api_key_env",
    "concurrency",
    "timeout_seconds",
    "retries",
    "backoff_seconds",
    "max_backoff_seconds",
    "stop_after_failures",
    "max_tokens_budget",
}
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class LlmOptions:
    """The endpoint, the prompt and the patience; conf/llm_example.yaml explains each.

    ``prompt`` and ``system`` may hold {source}, {src} and {tgt}. ``temperature``, ``top_p``, ``seed`` and
    ``max_tokens`` (of one answer) are not sent when null. ``extra_body`` is sent as it is.
    """

    base_url: str
    model: str
    revision: str | None = None
    prompt: str = PROMPT
    system: str | None = None
    src_language: str | None = None
    tgt_language: str | None = None
    nbest: int = 1
    temperature: float | None = 0.0
    top_p: float | None = None
    seed: int | None = 0
    max_tokens: int | None = 1024
    logprobs: bool = False
    extra_body: Mapping[str, object] = field(default_factory=dict)
    refusals: tuple[str, ...] = REFUSALS
    answer_retries: int = 2
    retry_temperature: float = 0.5
    api_key_env: str | None = None
    concurrency: int = 8
    timeout_seconds: float = 120.0
    retries: int = 6
    backoff_seconds: float = 1.0
    max_backoff_seconds: float = 60.0
    stop_after_failures: int = 5
    max_tokens_budget: int | None = None

    def __post_init__(self) -> None:
        """Raise ConfigError for what cannot be."""
        counts = {
            "nbest": self.nbest,
            "concurrency": self.concurrency,
            "stop_after": self.stop_after_failures,
        }
        if wrong := [name for name, count in counts.items() if count < 1]:
            raise ConfigError(f"{' and '.join(wrong)} must be 1 or more")
        if min(self.retries, self.answer_retries, self.backoff_seconds, self.max_backoff_seconds) < 0:
            raise ConfigError("retries and back-off must not be below 0")
        if self.timeout_seconds <= 0:
            raise ConfigError("timeout_seconds must be above 0")
        if self.nbest > 1 and self.temperature == 0:
            raise ConfigError(f"nbest {self.nbest} at temperature 0 would be one answer; give a temperature")
        if not self.base_url.startswith(("http://", "https://")):
            raise ConfigError(f"base_url is {self.base_url!r}; give http(s)://HOST[:PORT]/v1")
        self._check_texts()

    def _check_texts(self) -> None:
        found = {name for text in (self.prompt, self.system or "") for name in _PLACEHOLDER.findall(text)}
        if unknown := sorted(found - {"source", "src", "tgt"}):
            raise ConfigError(f"the prompt holds {{{unknown[0]}}}; known are {{source}}, {{src}} and {{tgt}}")
        if "{source}" not in self.prompt:
            raise ConfigError("the prompt lacks {source}; say in it where the sentence goes")
        for pattern in self.refusals:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ConfigError(f"refusals: {pattern!r} is no regular expression: {error}") from error

    def messages(self, source: str) -> list[dict[str, str]]:
        """Return the chat that asks for a sentence's translation."""
        values = {"source": source, "src": self.src_language or "", "tgt": self.tgt_language or ""}
        texts = {"system": self.system, "user": self.prompt}
        return [
            {"role": role, "content": _PLACEHOLDER.sub(lambda match: values[match[1]], text)}
            for role, text in texts.items()
            if text
        ]

    def identity(self) -> dict[str, object]:
        """Return all that determines translations: neither the place nor the speed."""
        return {key: value for key, value in asdict(self).items() if key not in PLACE_AND_SPEED}


def read_options(
    path: Path, overrides: Mapping[str, object], *, src: str | None, tgt: str | None
) -> LlmOptions:
    """Read the YAML file and put ``overrides`` above it; a language without a name is called by its code.

    Raises ConfigError, naming the file, for what is unknown, lacks or cannot be.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; see conf/llm_example.yaml") from error
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} is no YAML: {error}; see conf/llm_example.yaml") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no options; see conf/llm_example.yaml")
    options = fill_options(LlmOptions, {**values, **overrides}, str(path))
    named = replace(
        options, src_language=options.src_language or src, tgt_language=options.tgt_language or tgt
    )
    for code, language in (("src", named.src_language), ("tgt", named.tgt_language)):
        if f"{{{code}}}" in named.prompt + (named.system or "") and not language:
            raise ConfigError(f"{path}: the prompt holds {{{code}}}; give {code}_language, as German")
    return named
