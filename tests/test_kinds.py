"""Teachers by KIND:PLACE, and their options."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from synthst.errors import ConfigError
from synthst.fill import fill_options
from synthst.teacher.kinds import KINDS, KNOWN, load_teacher
from synthst.teacher.protocol import SearchSettings


@dataclass(frozen=True)
class ToyOptions:
    threads: int = 1
    compute_type: str = "default"
    ratio: float | None = None


@pytest.mark.parametrize(
    ("values", "filled"),
    [
        ({}, ToyOptions()),
        ({"threads": 4, "ratio": 1}, ToyOptions(4, ratio=1.0)),
        ({"threads": "4", "compute_type": "int8"}, ToyOptions(4, "int8")),
    ],
)
def test_options_are_filled_in(values: Mapping[str, object], filled: ToyOptions) -> None:
    assert fill_options(ToyOptions, values, "toy:x") == filled


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"thread": 4}, "^toy:x: there is no option 'thread'; did you mean threads"),
        ({"zzz": 4}, "^toy:x: there is no option 'zzz'; give one of threads, compute_type, ratio"),
        ({"threads": "four"}, "^toy:x: .*threads.*int.* four; correct it"),
        ({"ratio": [1]}, "^toy:x: .*ratio"),
    ],
)
def test_wrong_options_are_refused(values: Mapping[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        fill_options(ToyOptions, values, "toy:x")


@pytest.mark.parametrize("spec", ["nllb:DIR", "espnet", "file:", "", ":x"])
def test_an_unknown_kind_is_refused_with_the_known_ones(spec: str) -> None:
    with pytest.raises(ConfigError, match="give one of espnet:DIR, file:TSV, ct2:DIR, hf:NAME_OR_PATH, llm:"):
        load_teacher(spec, SearchSettings())
    assert all(kind in KNOWN for kind in KINDS)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("espnet:DIR", "espnet:DIR: there is no option 'threads'; give one of stopping"),
        ("file:TSV", "the teacher file:TSV takes no options, threads is given"),
    ],
)
def test_a_kind_refuses_options_that_it_has_not(spec: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load_teacher(spec, SearchSettings(), options={"threads": 2})


@pytest.mark.parametrize(("kind", "place"), [("ct2", Path("some/dir")), ("hf", "some/dir")])
def test_ct2_and_hf_get_languages_device_and_filled_options(
    kind: str, place: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[object, ...]] = []
    module = ModuleType(f"synthst.teacher.{kind}")
    name = kind.capitalize()
    setattr(module, f"{name}Options", ToyOptions)
    setattr(
        module,
        f"{name}Teacher",
        lambda place, settings, *, src, tgt, device, options: calls.append(
            (place, src, tgt, device, options)
        ),
    )
    monkeypatch.setitem(sys.modules, f"synthst.teacher.{kind}", module)
    options = {"threads": "2"}
    load_teacher(f"{kind}:some/dir", SearchSettings(), src="en", tgt="de", device="cuda", options=options)
    assert calls == [(place, "en", "de", "cuda", ToyOptions(2))]
    with pytest.raises(ConfigError, match=f"^{kind}:some/dir: there is no option 'treads'; did you mean th"):
        load_teacher(f"{kind}:some/dir", SearchSettings(), options={"treads": 2})
