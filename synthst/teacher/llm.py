"""The teacher that is a language model behind an OpenAI-compatible endpoint, local or hosted."""

import asyncio
import logging
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from synthst.errors import ConfigError, DataError
from synthst.teacher.answers import clean_answer, find_fault, join_lines
from synthst.teacher.budget import Budget, BudgetError
from synthst.teacher.endpoint import Endpoint, RequestFailed
from synthst.teacher.llm_options import read_options
from synthst.teacher.protocol import Hypothesis, SearchSettings

if TYPE_CHECKING:
    from openai import AsyncOpenAI

logger = logging.getLogger(__name__)

NOTHING = Hypothesis("", 0.0, 0, True)  # of a sentence that says nothing
NO_ANSWER = Hypothesis("", 0.0, 0, False)
PROBE = "Good morning."  # asked when nothing else has got an answer: is it the endpoint, or the sentences?


class LlmTeacher:
    """Translate with the model and the prompt of a YAML file, see `LlmOptions`.

    A sentence without a usable answer gets one empty hypothesis that is not finished; a blank one an empty
    hypothesis, and nobody is asked. Requests are spread over ``concurrency`` connections; each names its
    own seed, so that an answer depends on its neighbours only as far as the server lets it.
    """

    def __init__(
        self,
        config: Path,
        settings: SearchSettings,
        *,
        src: str | None = None,
        tgt: str | None = None,
        options: Mapping[str, object] | None = None,
    ) -> None:
        """Read ``config``, with ``options`` above it; raises ConfigError for what cannot be or is unknown."""
        self._config = config
        self._options = read_options(config, options or {}, src=src, tgt=tgt)
        _refuse_search(settings, config)
        self._budget = Budget(self._options.max_tokens_budget)
        self._endpoint = Endpoint(self._options, self._budget)
        self._settings = SearchSettings(beam=self._options.nbest, nbest=self._options.nbest)
        self._has_answered = False
        self._failures_in_a_row = 0
        logger.info("%s: %s, %s", config, self._options.model, self._describe_search(settings))

    @property
    def identity(self) -> Mapping[str, object]:
        """Identify the teacher by its name, its prompt and how it samples, not by where it is."""
        return {"kind": "llm", "name": self._options.model, **self._options.identity()}

    @property
    def settings(self) -> SearchSettings:
        """Say how many answers there may be; how they are sampled is part of the identity."""
        return self._settings

    def translate(self, sources: Sequence[str]) -> list[list[Hypothesis]]:
        """Return the answers to each sentence, the likeliest first if the server tells (``logprobs``).

        Raises BudgetError, which holds what is done, when the tokens are used up; DataError when the server
        is away, or neither a sentence nor a simple probe has had a usable answer.
        """
        call = _Call()
        translated = _run(self._translate_all(sources, call))
        done = {index: found for index, found in enumerate(translated) if found is not None}
        if call.faults and not self._has_answered:
            raise DataError(f"{self._config}: no usable answer to any sentence: {call.describe()}; mend it")
        if call.faults:
            logger.warning("%s: stored as empty and unfinished: %s", self._config, call.describe())
        if len(done) < len(sources):
            raise BudgetError(self._describe_budget(), [(sources[index], done[index]) for index in done])
        return list(done.values())

    async def _translate_all(self, sources: Sequence[str], call: "_Call") -> list[list[Hypothesis] | None]:
        """Translate all at once, as far as connections and tokens allow; None where the tokens ran out."""
        free = asyncio.Semaphore(self._options.concurrency)
        try:
            async with self._endpoint.connect() as client:
                async with asyncio.TaskGroup() as group:
                    works = [self._translate_one(client, free, source, call) for source in sources]
                    tasks = [group.create_task(work) for work in works]
                if call.faults and not self._has_answered:
                    await self._answer(client, PROBE, 0)
        except* (ConfigError, DataError) as stopped:
            raise stopped.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _translate_one(
        self, client: "AsyncOpenAI", free: asyncio.Semaphore, source: str, call: "_Call"
    ) -> list[Hypothesis] | None:
        if not source.strip():
            return [NOTHING]
        async with free:
            if self._budget.is_spent:
                return None
            found = [await self._answer(client, source, index) for index in range(self._options.nbest)]
        hypotheses = [answer for answer in found if isinstance(answer, Hypothesis)]
        if not hypotheses:
            call.note(source, str(found[0]))
        return sorted(hypotheses, key=lambda hypothesis: -hypothesis.score) or [NO_ANSWER]

    async def _answer(self, client: "AsyncOpenAI", source: str, index: int) -> Hypothesis | str:
        """Return a hypothesis, or what was wrong with the last answer."""
        options, fault = self._options, ""
        for attempt in range(options.answer_retries + 1):
            seed = None if options.seed is None else options.seed + index + attempt * options.nbest
            temperature = options.temperature
            if attempt and temperature is not None:
                temperature = max(temperature, options.retry_temperature)
            try:
                reply = await self._endpoint.ask(client, source, seed=seed, temperature=temperature)
            except RequestFailed as error:
                return self._note_failure(error)
            self._failures_in_a_row = 0
            text = clean_answer(reply.text, source)
            fault = "a refusal" if reply.refused else find_fault(text, options.refusals)
            if not fault or reply.cut_off:
                self._has_answered = True
                return Hypothesis(join_lines(text), reply.score, reply.tokens, not reply.cut_off)
        return f"{fault}: {reply.text[:80]!r}"

    def _note_failure(self, error: RequestFailed) -> str:
        """Return what failed; raise DataError when the server seems to be away."""
        self._failures_in_a_row += error.is_outage
        if error.is_outage and self._failures_in_a_row >= self._options.stop_after_failures:
            raise DataError(
                f"{self._options.base_url} fails: {error} ({self._failures_in_a_row} sentences in a row, "
                f"{self._options.retries + 1} attempts each); run again when it works, the store goes on"
            ) from error
        return str(error)

    def _describe_budget(self) -> str:
        return (
            f"{self._config}: stopped, {self._budget.used:,} tokens are used of max_tokens_budget "
            f"{self._budget.limit:,}; run the same again to go on from here with as many more"
        )

    def _describe_search(self, asked: SearchSettings) -> str:
        options = self._options
        told = f"{options.nbest} answers a sentence at temperature {options.temperature}"
        same = asked.nbest == options.nbest
        return told if same else f"{told}; nbest is the file's, not the {asked.nbest} of the search settings"


class _Call:
    """The sentences of one `translate` without a usable answer."""

    def __init__(self) -> None:
        self.faults: Counter[str] = Counter()
        self._first = ""

    def note(self, source: str, fault: str) -> None:
        """Count a sentence by what was wrong."""
        self.faults[fault.split(":")[0]] += 1
        self._first = self._first or f"{source[:80]!r}: {fault}"

    def describe(self) -> str:
        """Tell the counts and the first sentence."""
        counts = ", ".join(f"{count:,} {fault}" for fault, count in self.faults.items())
        return f"{counts}; the first is {self._first}"


def _refuse_search(settings: SearchSettings, config: Path) -> None:
    """Raise ConfigError for search settings, given on purpose, that no endpoint can honour."""
    default = SearchSettings()
    for field in fields(settings):
        value = getattr(settings, field.name)
        if field.name not in ("beam", "nbest") and value != getattr(default, field.name):
            raise ConfigError(
                f"search.{field.name} is {value}, but {config} says how the endpoint answers; leave it out"
            )


def _run[Result](coroutine: Coroutine[object, object, Result]) -> Result:
    """Run a coroutine to its end, in a thread of its own where a loop is running already (notebooks)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
