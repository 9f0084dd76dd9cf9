"""A language model as teacher, against a local server that works, fails, stalls and answers nonsense."""

import asyncio
import logging
import pickle
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from fake_teacher import write_data
from llm_server import Answer, ChatServer, last_line, serve, upper

from synthst.errors import ConfigError, DataError, install_command
from synthst.lookup import check_store
from synthst.teacher.budget import BudgetError
from synthst.teacher.decode import decode_corpus
from synthst.teacher.kinds import load_teacher
from synthst.teacher.llm import LlmTeacher
from synthst.teacher.protocol import Hypothesis, SearchSettings

EXAMPLE = Path(__file__).parents[2] / "conf/llm_example.yaml"
FAST = {"backoff_seconds": 0.001, "max_backoff_seconds": 0.002, "retries": 2}
NO_ANSWER = [Hypothesis("", 0.0, 0, False)]


def load(tmp_path: Path, url: str, search: SearchSettings = SearchSettings(), **values: object) -> LlmTeacher:  # noqa: B008
    config = tmp_path / "llm.yaml"
    config.write_text(yaml.safe_dump({"base_url": url, "model": "toy", **FAST, **values}), encoding="utf-8")
    return LlmTeacher(config, search, src="en", tgt="de")


def best(teacher: LlmTeacher, sources: list[str]) -> list[tuple[str, bool]]:
    return [(found[0].text, found[0].finished) for found in teacher.translate(sources)]


def failing(*, on: Callable[[str], bool], answer: Answer) -> Callable[[dict[str, object], int], Answer]:
    return lambda request, number: answer if on(last_line(request)) else upper(request, number)


def test_sentences_are_answered_in_order_with_bounded_concurrency(tmp_path: Path) -> None:
    three = threading.Barrier(3, timeout=60)

    def answer(request: dict[str, object], number: int) -> Answer:
        three.wait()
        return upper(request, number)

    sources = [f"sentence {number}" for number in range(12)]
    with serve(answer) as server:
        teacher = load(tmp_path, server.url, concurrency=3)
        assert best(teacher, sources) == [(source.upper(), True) for source in sources]
        assert server.most_at_once == 3
        assert teacher.translate(["a", "b", "c"])[0] == [Hypothesis("A", 0.0, 4, True)]


def test_the_request_is_the_prompt_filled_in_and_what_the_file_says(tmp_path: Path) -> None:
    options = {
        "system": "You write {tgt}.",
        "prompt": "{src}>{tgt}: {source}",
        "tgt_language": "German",
        "temperature": None,
        "top_p": 0.5,
        "seed": 7,
        "extra_body": {"min_p": 0.1},
    }
    with serve(upper) as server:
        load(tmp_path, server.url, **options).translate(["say {tgt} {0} %s"])
    assert server.requests == [
        {
            "model": "toy",
            "messages": [
                {"role": "system", "content": "You write German."},
                {"role": "user", "content": "en>German: say {tgt} {0} %s"},
            ],
            "top_p": 0.5,
            "seed": 7,
            "max_tokens": 1024,
            "min_p": 0.1,
        }
    ]


def test_the_key_comes_from_the_named_variable_and_from_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of another endpoint")
    monkeypatch.setenv("TOY_KEY", "secret")
    with serve(upper) as server:
        load(tmp_path, server.url).translate(["a"])
        teacher = load(tmp_path, server.url, api_key_env="TOY_KEY")
        teacher.translate(["a"])
    assert [headers["authorization"] for headers in server.headers] == ["Bearer none", "Bearer secret"]
    assert "secret" not in str(teacher.identity)
    monkeypatch.delenv("TOY_KEY")
    with pytest.raises(ConfigError, match="has no TOY_KEY"):
        load(tmp_path, server.url, api_key_env="TOY_KEY")


@pytest.mark.parametrize(
    "trouble",
    [
        Answer("overloaded", status=500),
        Answer("slow down", status=429, headers={"Retry-After": "0.01"}),
        Answer("bad gateway", status=502, body=b"<html>bad gateway</html>"),
        Answer(body=b"<html>welcome</html>"),
        Answer(body=b'{"choices": []}'),
        Answer(body=b'{"choices": [{"message": {"content": 5}}]}'),
        Answer(body=b"null"),
    ],
    ids=["500", "429", "502", "html", "no-choice", "number", "null"],
)
def test_a_request_that_fails_is_sent_again(tmp_path: Path, trouble: Answer) -> None:
    with serve(lambda request, number: trouble if number < 2 else upper(request, number)) as server:
        assert best(load(tmp_path, server.url), ["ein haus"]) == [("EIN HAUS", True)]
        assert len(server.requests) == 3


@pytest.mark.parametrize(
    "trouble", [Answer("late", stall_seconds=60), Answer("drop by drop", trickle_seconds=0.05)]
)
def test_an_answer_that_does_not_come_in_time_is_asked_for_again(tmp_path: Path, trouble: Answer) -> None:
    with serve(lambda request, number: trouble if number < 2 else upper(request, number)) as server:
        teacher = load(tmp_path, server.url, timeout_seconds=0.3, retries=20)
        assert best(teacher, ["ein haus"]) == [("EIN HAUS", True)]
        assert len(server.requests) >= 3


def test_the_waits_double_and_are_as_long_as_the_server_asks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    troubles = [Answer(status=503), Answer(status=503), Answer(status=429, headers={"Retry-After": "0.2"})]
    troubles += [Answer(status=503, headers={"Retry-After": "Fri, 31 Dec 2100 23:59:59 GMT"})]
    waits: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        waits.append(seconds)
        await sleep(0)

    monkeypatch.setattr("synthst.teacher.endpoint.asyncio.sleep", note)
    patience = {"retries": 6, "backoff_seconds": 0.01, "max_backoff_seconds": 0.05}
    with (
        serve(lambda request, number: (troubles[number : number + 1] or [upper(request, 0)])[0]) as server,
        caplog.at_level(logging.INFO),
    ):
        assert best(load(tmp_path, server.url, **patience), ["a"]) == [("A", True)]
    assert waits == [0.01, 0.02, 0.2, 0.05]
    assert "status 503" in caplog.text and "asking again in 0.2 s" in caplog.text


def test_a_sentence_that_the_server_never_answers_does_not_stop_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for trouble in (Answer("context too long", status=400), Answer("crashed", status=500)):
        with serve(failing(on=lambda source: source == "bad", answer=trouble)) as server:
            teacher = load(tmp_path, server.url)
            assert best(teacher, ["good", "bad", "fine"]) == [("GOOD", True), ("", False), ("FINE", True)]
            assert server.sources().count("bad") == (1 if trouble.status == 400 else 3)
    assert "stored as empty and unfinished: 1 status 400; the first is 'bad': status 400" in caplog.text


@pytest.mark.parametrize(
    "nonsense",
    [
        "",
        None,
        "Erstens.\nZweitens.",
        "I'm sorry, but I can't help with that.",
        "\ud800",
        "<think>hm</think>",
    ],
)
def test_a_bad_answer_is_asked_for_again_and_then_stored_as_empty(
    tmp_path: Path, nonsense: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(failing(on=lambda source: source == "bad", answer=Answer(nonsense))) as server:
        teacher = load(tmp_path, server.url, answer_retries=3, seed=10)
        assert teacher.translate(["bad", "good"])[0] == NO_ANSWER
        asked = [request for request in server.requests if last_line(request) == "bad"]
    assert [request["seed"] for request in asked] == [10, 11, 12, 13]
    assert [request["temperature"] for request in asked] == [0.0, 0.5, 0.5, 0.5]
    assert "stored as empty and unfinished" in caplog.text


def test_a_bad_answer_may_be_followed_by_a_good_one(tmp_path: Path) -> None:
    with serve(lambda request, number: upper(request, number) if number else Answer("a\nb")) as server:
        assert best(load(tmp_path, server.url), ["x"]) == [("X", True)]


def test_a_cut_off_answer_is_kept_as_unfinished(tmp_path: Path) -> None:
    with serve(lambda *_: Answer("Klicken\nSie", finish="length")) as server:
        assert best(load(tmp_path, server.url), ["x"]) == [("Klicken Sie", False)]
        assert len(server.requests) == 1


def test_a_filtered_answer_is_a_refusal(tmp_path: Path) -> None:
    filtered = Answer("half", finish="content_filter")
    with serve(failing(on=lambda source: source == "bad", answer=filtered)) as server:
        assert best(load(tmp_path, server.url), ["bad", "good"]) == [("", False), ("GOOD", True)]


def test_an_empty_sentence_is_not_sent(tmp_path: Path) -> None:
    with serve(upper) as server:
        assert load(tmp_path, server.url).translate(["", " "]) == [[Hypothesis("", 0.0, 0, True)]] * 2
        assert not server.requests


def test_odd_sentences_are_sent_whole(tmp_path: Path) -> None:
    sources = ["word " * 1000 + "end", "😀🎉👩‍👩‍👧", "a\u2028b", 'say "x" \\n {"source"}']
    with serve(upper) as server:
        assert best(load(tmp_path, server.url), sources) == [(source.upper(), True) for source in sources]


def test_several_answers_are_asked_for_with_a_seed_each(tmp_path: Path) -> None:
    def answer(request: dict[str, object], _: int) -> Answer:
        seed = int(str(request["seed"]))
        return Answer(f"{last_line(request)} {seed}", logprobs=[-float(seed), -1.0 - seed])

    with serve(answer) as server:
        teacher = load(tmp_path, server.url, nbest=3, temperature=0.7, seed=4, logprobs=True)
        assert teacher.translate(["a"]) == [
            [
                Hypothesis("a 4", -4.5, 4, True),
                Hypothesis("a 5", -5.5, 4, True),
                Hypothesis("a 6", -6.5, 4, True),
            ]
        ]
        assert all(request["logprobs"] for request in server.requests)
        assert teacher.settings.nbest == 3


def test_of_several_answers_the_good_ones_are_kept_the_likeliest_first(tmp_path: Path) -> None:
    def answer(request: dict[str, object], _: int) -> Answer:
        seed = int(str(request["seed"]))
        return Answer("" if seed % 3 == 1 else str(seed), logprobs=[float(seed)])

    with serve(answer) as server:
        teacher = load(tmp_path, server.url, nbest=3, temperature=0.7, logprobs=True)
        assert [hypothesis.text for hypothesis in teacher.translate(["a"])[0]] == ["2", "0"]


def test_a_server_that_is_away_stops_the_decoding(tmp_path: Path) -> None:
    with serve(upper) as server:
        teacher = load(tmp_path, server.url, concurrency=2)
        teacher.translate(["a"])
    with pytest.raises(DataError, match=r"fails: no connection .*5 sentences in a row, 3 attempts each"):
        teacher.translate([f"s{number}" for number in range(20)])


def test_a_key_that_is_refused_stops_at_once(tmp_path: Path) -> None:
    for status in (401, 402, 404):
        with serve(lambda *_, status=status: Answer("no", status=status)) as server:
            with pytest.raises(ConfigError, match=f"status {status}: .*no"):
                load(tmp_path, server.url, concurrency=1).translate(["a", "b", "c"])
            assert len(server.requests) == 1


def test_a_quota_that_is_used_up_stops_at_once(tmp_path: Path) -> None:
    body = b'{"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}'
    with serve(lambda *_: Answer(status=429, body=body)) as server:
        with pytest.raises(DataError, match="exceeded your quota"):
            load(tmp_path, server.url, concurrency=1).translate(["a", "b"])
        assert len(server.requests) == 1


def test_a_prompt_that_never_gets_a_usable_answer_is_an_error_and_a_single_odd_sentence_is_not(
    tmp_path: Path,
) -> None:
    told = "no usable answer .*2 of several lines; the first is 'a'"
    with serve(lambda *_: Answer("one\ntwo")) as server, pytest.raises(DataError, match=told):
        load(tmp_path, server.url, concurrency=1).translate(["a", "b"])
    with serve(failing(on=lambda source: source == "odd", answer=Answer(""))) as server:
        assert load(tmp_path, server.url).translate(["odd"]) == [NO_ANSWER]
        assert server.sources() == ["odd"] * 3 + ["Good morning."]


def test_the_budget_stops_and_hands_over_what_is_done(tmp_path: Path) -> None:
    with serve(upper) as server:
        teacher = load(tmp_path, server.url, concurrency=1, max_tokens_budget=25)
        with pytest.raises(BudgetError, match="30 tokens are used of max_tokens_budget 25") as caught:
            teacher.translate(["a", "b", "c", "d", "e"])
        assert caught.value.done == [(source, [Hypothesis(source.upper(), 0.0, 4, True)]) for source in "abc"]
        with pytest.raises(BudgetError) as caught:
            teacher.translate(["d"])
        assert caught.value.done == [] and len(server.requests) == 3
    travelled = pickle.loads(pickle.dumps(BudgetError("spent", [("a", NO_ANSWER)])))
    assert (str(travelled), travelled.done) == ("spent", [("a", NO_ANSWER)])


def test_a_server_that_counts_no_tokens_is_counted_by_characters(tmp_path: Path) -> None:
    with serve(lambda *_: Answer("zwei Wörter", usage=None)) as server:
        teacher = load(tmp_path, server.url, prompt="{source}", max_tokens_budget=1)
        assert teacher.translate(["seven c"])[0][0].tokens == 2
        with pytest.raises(BudgetError, match=f"{(7 + 11) // 3 + 1} tokens are used of max_tokens_budget 1"):
            teacher.translate(["another"])


def test_the_store_is_filled_as_by_any_teacher(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", ["a b", "c", "a b"])
    with serve(upper) as server:
        decode_corpus(load(tmp_path, server.url), data, tmp_path / "store", src="en")
        decode_corpus(load(tmp_path, server.url), data, tmp_path / "store", src="en")
        assert sorted(server.sources()) == ["a b", "c"]
        with pytest.raises(DataError, match="teacher.temperature is 0.0 there, 0.3 here"):
            decode_corpus(load(tmp_path, server.url, temperature=0.3), data, tmp_path / "store", src="en")


def test_a_decoding_whose_budget_is_used_up_goes_on_where_it_stopped(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", [f"sentence {number}" for number in range(5)])
    with serve(upper) as server:
        for done in (2, 4):
            with pytest.raises(BudgetError):
                decode_corpus(
                    load(tmp_path, server.url, concurrency=1, max_tokens_budget=20),
                    *(data, tmp_path / "store"),
                    src="en",
                )
            assert check_store(tmp_path / "store", data / "text.en").found == done
        decode_corpus(load(tmp_path, server.url), data, tmp_path / "store", src="en")
        assert len(server.requests) == len(set(server.sources())) == 5
    assert check_store(tmp_path / "store", data / "text.en").missing == 0


def test_the_identity_is_what_is_asked_and_not_where_or_how_fast(tmp_path: Path) -> None:
    here = load(tmp_path, "http://one:1/v1")
    there = load(tmp_path, "https://two/v1", concurrency=64, retries=0, max_tokens_budget=5)
    assert here.identity == there.identity
    assert (here.identity["kind"], here.identity["name"]) == ("llm", "toy")
    for change in ({"prompt": "{source}"}, {"seed": 1}, {"tgt_language": "French"}, {"revision": "b"}):
        assert load(tmp_path, "http://one:1/v1", **change).identity != here.identity


def test_translate_works_inside_a_running_loop(tmp_path: Path) -> None:
    async def notebook(server: ChatServer) -> list[tuple[str, bool]]:
        return best(load(tmp_path, server.url), ["a"])

    with serve(upper) as server:
        assert asyncio.run(notebook(server)) == [("A", True)]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"temprature": 0.1}, "llm.yaml: there is no option 'temprature'; did you mean temperature"),
        ({"concurrency": "many"}, "llm.yaml: .*concurrency.*int.* many; correct it"),
        ({"model": None}, "llm.yaml: .*model"),
        ({"nbest": 2}, "nbest 2 at temperature 0"),
        ({"nbest": 0}, "nbest must be 1 or more"),
        ({"retries": -1}, "must not be below 0"),
        ({"timeout_seconds": 0}, "timeout_seconds must be above 0"),
        ({"base_url": "localhost:8000"}, "give http"),
        ({"prompt": "Translate."}, "lacks {source}"),
        ({"prompt": "{source} into {lang}"}, "holds {lang}; known are"),
        ({"refusals": ["("]}, "no regular expression"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_wrong(
    tmp_path: Path, values: dict[str, object], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        load(tmp_path, **{"url": "http://x/v1", **values})  # type: ignore[arg-type]


def test_files_that_hold_no_options_are_refused(tmp_path: Path) -> None:
    config = tmp_path / "llm.yaml"
    for content, told in (
        ("", "holds no options"),
        ("a: [", "is no YAML"),
        ("model: m\n", "base_url must be given"),
    ):
        config.write_text(content, encoding="utf-8")
        with pytest.raises(ConfigError, match=told):
            LlmTeacher(config, SearchSettings())
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        LlmTeacher(tmp_path / "none.yaml", SearchSettings())


def test_a_language_that_the_prompt_needs_must_be_named(tmp_path: Path) -> None:
    (tmp_path / "llm.yaml").write_text("{base_url: http://x/v1, model: m}", encoding="utf-8")
    with pytest.raises(ConfigError, match="holds {tgt}; give tgt_language"):
        LlmTeacher(tmp_path / "llm.yaml", SearchSettings(), src="en")


def test_search_settings_that_no_endpoint_honours_are_refused(tmp_path: Path) -> None:
    assert load(tmp_path, "http://x/v1", SearchSettings(beam=8, nbest=4)).settings.nbest == 1
    for settings in (SearchSettings(temperature=0.5), SearchSettings(top_k=5), SearchSettings(max_ratio=2)):
        with pytest.raises(ConfigError, match="says how the endpoint answers; leave it out"):
            load(tmp_path, "http://x/v1", settings)


def test_without_the_package_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ConfigError, match=re.escape(install_command("llm"))):
        load(tmp_path, "http://x/v1")


def test_the_example_tells_every_option_with_its_default() -> None:
    from dataclasses import asdict, fields

    from synthst.teacher.llm_options import LlmOptions

    names = {field.name for field in fields(LlmOptions)}
    lines = [
        line[2:] if line[:2] == "# " else line.strip("#") for line in EXAMPLE.read_text("utf-8").split("\n")
    ]
    told = yaml.safe_load(
        "\n".join(
            line
            for line in lines
            if line.split(":")[0] in names or not line.strip() or line[:3].strip() == line[2:3]
        )
    )
    default = asdict(LlmOptions(base_url=told["base_url"], model=told["model"]))
    default |= {"src_language": "English", "tgt_language": "German"}
    assert {**told, "refusals": None} == {**default, "refusals": None}


def test_the_example_can_be_loaded_and_overridden() -> None:
    teacher = load_teacher(f"llm:{EXAMPLE}", SearchSettings(), options={"seed": "9"})
    assert (teacher.identity["tgt_language"], teacher.identity["seed"]) == ("German", 9)


def test_a_slow_server_is_given_up_in_time(tmp_path: Path) -> None:
    slow = Answer("x", stall_seconds=60)
    with serve(lambda *_: slow) as server:
        teacher = load(tmp_path, server.url, timeout_seconds=0.05, retries=0, stop_after_failures=1)
        start = time.monotonic()
        with pytest.raises(DataError, match="no answer within 0.05 s"):
            teacher.translate(["a", "b"])
        assert time.monotonic() - start < 30
