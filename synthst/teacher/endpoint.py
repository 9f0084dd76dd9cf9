"""Ask an OpenAI-compatible endpoint for one answer, again and again while it fails."""

import asyncio
import json
import logging
import math
import os
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from synthst.errors import ConfigError, DataError, install_command
from synthst.teacher.budget import Budget
from synthst.teacher.llm_options import LlmOptions

if TYPE_CHECKING:
    from openai import AsyncOpenAI

logger = logging.getLogger(__name__)

NO_USE = {401: "mend the key", 402: "pay, or take another endpoint", 404: "correct base_url and model"}
TRY_AGAIN = {408, 409, 425, 429}  # and from 500 on
LONGEST_WAIT_SECONDS = 600.0  # even when the server asks for more
CHARACTERS_PER_TOKEN = 3  # for servers that do not tell how many tokens they used


class Reply(NamedTuple):
    """An answer as it came; ``score`` is its mean log-probability, 0 if the server does not tell."""

    text: str
    cut_off: bool
    refused: bool
    tokens: int
    score: float


class RequestFailed(Exception):
    """No answer to this request, but perhaps to others; ``is_outage`` when the server seems to be away."""

    def __init__(self, why: str, *, is_outage: bool) -> None:
        super().__init__(why)
        self.is_outage = is_outage


class Endpoint:
    """Send requests as ``options`` say, count their tokens in ``budget``."""

    def __init__(self, options: LlmOptions, budget: Budget) -> None:
        """Raise ConfigError when the package openai is not there, or the key is not in the environment."""
        self.options, self.budget = options, budget
        self._key = _read_key(options)
        try:
            import openai  # noqa: F401
        except ImportError as error:
            raise ConfigError(
                f"a language model needs the package openai, which is not installed; {install_command('llm')}"
            ) from error

    def connect(self) -> "AsyncOpenAI":
        """Return a client, to be closed by ``async with``; retries are ours."""
        from openai import AsyncOpenAI

        options = self.options
        timeout = options.timeout_seconds
        return AsyncOpenAI(base_url=options.base_url, api_key=self._key, timeout=timeout, max_retries=0)

    async def ask(
        self, client: "AsyncOpenAI", source: str, *, seed: int | None, temperature: float | None
    ) -> Reply:
        """Return the answer to a sentence; while the server fails, wait ever longer and ask again.

        Raises RequestFailed after the last attempt or for a request that it refuses, ConfigError and
        DataError for what no other request would pass either.
        """
        request = self._request(source, seed, temperature)
        for attempt in range(self.options.retries + 1):
            try:
                async with asyncio.timeout(self.options.timeout_seconds):
                    body = await _send(client, request)
                return self._read(body, source)
            except _Retry as error:
                why, wait = str(error), error.wait_seconds
            except TimeoutError:
                why, wait = f"no answer within {self.options.timeout_seconds:g} s", 0.0
            if attempt < self.options.retries:
                wait = max(wait, self._back_off(attempt))
                logger.info("%s: %s; asking again in %.1f s", self.options.base_url, why, wait)
                await asyncio.sleep(wait)
        raise RequestFailed(why, is_outage=True)

    def _request(self, source: str, seed: int | None, temperature: float | None) -> dict[str, object]:
        options = self.options
        wanted = {"seed": seed, "temperature": temperature, "top_p": options.top_p}
        wanted |= {"max_tokens": options.max_tokens, "logprobs": options.logprobs or None}
        given = {key: value for key, value in wanted.items() if value is not None}
        messages = options.messages(source)
        return {"model": options.model, "messages": messages, **given, "extra_body": dict(options.extra_body)}

    def _back_off(self, attempt: int) -> float:
        """Double the wait each time and spread it, so that many clients do not come back at once."""
        wait = min(self.options.backoff_seconds * 2.0**attempt, self.options.max_backoff_seconds)
        return wait * random.uniform(0.5, 1.0)

    def _read(self, body: bytes, source: str) -> Reply:
        """Read an answer and count its tokens."""
        try:
            answer = json.loads(body)
            choice = answer["choices"][0]
            message = choice["message"]
            text, finish = message.get("content") or "", choice.get("finish_reason")
            if not isinstance(text, str):
                raise TypeError
            usage = answer.get("usage") or {}
            tokens = int(usage.get("completion_tokens") or len(text.split()))
            self.budget.used += int(usage.get("total_tokens") or self._guess_tokens(source, text))
            refused = finish == "content_filter" or (bool(message.get("refusal")) and not text)
            return Reply(text, finish == "length", refused, tokens, _mean_logprob(choice))
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise _Retry(f"the answer is no chat completion: {body[:80]!r}") from error

    def _guess_tokens(self, source: str, text: str) -> int:
        asked = sum(len(message["content"]) for message in self.options.messages(source))
        return (asked + len(text)) // CHARACTERS_PER_TOKEN + 1


class _Retry(Exception):
    """The request may pass if it is sent again, not before ``wait_seconds``."""

    def __init__(self, why: str, wait_seconds: float = 0.0) -> None:
        super().__init__(why)
        self.wait_seconds = wait_seconds


async def _send(client: "AsyncOpenAI", request: dict[str, object]) -> bytes:
    """Return the body of the server's answer."""
    import openai

    try:
        create: Any = client.chat.completions.with_raw_response.create
        response = await create(**request)
        return bytes(response.content)
    except openai.APIStatusError as error:
        raise _judge(error.status_code, error.code, error.message, error.response.headers) from error
    except openai.APITimeoutError as error:
        raise TimeoutError from error
    except openai.APIConnectionError as error:
        raise _Retry(f"no connection ({error.__cause__ or error})") from error
    except openai.OpenAIError as error:
        raise _Retry(str(error)) from error


def _judge(status: int, code: str | None, message: str, headers: Mapping[str, str]) -> Exception:
    """Say what an HTTP error means: for everything, for this request, or only for now."""
    told = f"status {status}: {' '.join(message.split())[:200]}"
    if status in NO_USE:
        return ConfigError(f"the endpoint answers {told}; {NO_USE[status]}")
    if code == "insufficient_quota":
        return DataError(f"the endpoint answers {told}; what is done is in the store, pay and run again")
    if status in TRY_AGAIN or status >= 500:
        return _Retry(told, _retry_after(headers))
    return RequestFailed(told, is_outage=False)


def _retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that the server asks to wait; 0 if it does not, or gives a date."""
    try:
        seconds = float(headers.get("retry-after", 0))
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT_SECONDS) if math.isfinite(seconds) else 0.0


def _mean_logprob(choice: dict[str, Any]) -> float:
    content = (choice.get("logprobs") or {}).get("content") or []
    values = [float(token["logprob"]) for token in content]
    mean = sum(values) / len(values) if values else 0.0
    return mean if math.isfinite(mean) else 0.0


def _read_key(options: LlmOptions) -> str:
    if options.api_key_env is None:
        return "none"  # never the client's own choice: a key for one endpoint is not for another
    key = os.environ.get(options.api_key_env, "")
    if not key:
        raise ConfigError(f"the environment has no {options.api_key_env}, the key of the endpoint; set it")
    return key
