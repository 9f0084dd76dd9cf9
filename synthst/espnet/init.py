"""Begin a model with parts of others, or with all of another (fine-tuning), and prove it.

A speech translator begins with a recogniser's encoder, and maybe a translator's decoder.
ESPnet's own ``init_param`` leaves out in silence what has another name or shape; here every tensor is loaded
or the run stops.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from synthst.atomic import atomic_file
from synthst.errors import DataError

logger = logging.getLogger(__name__)

LISTED = 20  # names in an error message, by kind
OLDER_NAMES = {"embed.out.0.": "embed.out."}
"""What parts of names became what between ESPnet's releases."""

Report = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """A part of the model, ``name``, and where its tensors are: those of ``path`` that begin with ``key``."""

    name: str
    path: Path
    key: str


def initialise(model: torch.nn.Module, parts: Sequence[Part]) -> Report:
    """Load every tensor of ``parts`` into ``model`` and no other one; return what was done and the proof.

    Raises DataError with the names that are missing, too many, or of another shape.
    """
    before = checksums(model)
    report: Report = {"parts": {}, "untouched": {}}
    for part in parts:
        states = read_states(part.path)
        wanted = tensors_of(model, part.name)
        found = map_names(states, part)
        refuse_misfit(wanted, found, part, states)
        found = {name: found[name].to(tensor.dtype) for name, tensor in wanted.items()}
        model.get_submodule(part.name).load_state_dict(found, strict=True)
        report["parts"][part.name] = {
            "path": str(part.path),
            "key": part.key,
            "file_checksum": file_checksum(part.path),
            **count_tensors(model, part.name),
            "checksum_before": before[part.name],
            "checksum_of_origin": checksum(found),
        }
    return compare_checksums(report, before, model)


def initialise_whole(model: torch.nn.Module, weights: Path) -> Report:
    """Load every tensor of another model of the same shape; return what was done and the proof.

    Raises DataError with the names that are missing, too many, or of another shape, and when the model shares
    a matrix that is two different ones in the file.
    """
    states = read_states(weights)
    names = list(checksums(model))
    strays = sorted(name for name in states if name.partition(".")[0] not in names)
    if strays:
        raise DataError(f"{weights}: the model has no place for {_some(strays)}; name a model like this one")
    refuse_other_ties(model, states, weights)
    report = initialise(model, [Part(name, weights, name) for name in names])
    assert not report["untouched"]
    return report


def refuse_other_ties(model: torch.nn.Module, states: Mapping[str, Tensor], weights: Path) -> None:
    """Raise DataError unless what is one tensor in the model is the same in the file under all its names."""
    first: dict[int, str] = {}
    for name, tensor in model.state_dict().items():
        other = first.setdefault(tensor.data_ptr(), name) if tensor.numel() else name
        if other != name and {name, other} <= states.keys() and not torch.equal(states[name], states[other]):
            raise DataError(
                f"{weights}: {other} and {name} are one matrix in the model, and two different ones there; "
                "set model.tied_embeddings to match it"
            )


def compare_checksums(report: Report, before: Mapping[str, str], model: torch.nn.Module) -> Report:
    """Add the checksums after to a report; every part must be its origin's, everything else as before."""
    after = checksums(model)
    for name, part in report["parts"].items():
        part["checksum_after"] = after[name]
        assert part["checksum_after"] == part["checksum_of_origin"], f"{name} is not what was loaded"
    for name in sorted(after.keys() - report["parts"].keys()):
        sums = {"checksum_before": before[name], "checksum_after": after[name]}
        report["untouched"][name] = {**count_tensors(model, name), **sums}
        assert before[name] == after[name], f"{name} was changed"
    return report


def write_report(report: Report, folder: Path) -> None:
    """Write init.json and log a line for each part."""
    with atomic_file(folder / "init.json") as file:
        file.write(json.dumps(report, indent=1).encode() + b"\n")
    for name, part in report["parts"].items():
        logger.info(
            "%s: all %d tensors, %d parameters, from %s; %s not touched",
            *(name, part["tensors"], part["parameters"], part["path"]),
            ", ".join(report["untouched"]) or "nothing else is there and",
        )


def read_states(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a torch file: a model's, or ESPnet's checkpoint.pth; no code in it is run."""
    try:
        states = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # garbage raises whatever its first bytes happen to mean to the unpickler
        raise DataError(f"{path} cannot be read as weights: {error}; name a model's .pth file") from error
    if isinstance(states, dict) and isinstance(states.get("model"), dict):
        states = states["model"]
    if not isinstance(states, dict) or not all(isinstance(value, Tensor) for value in states.values()):
        raise DataError(f"{path} holds no tensors by name; name a model's .pth file")
    return states


def map_names(states: Mapping[str, Tensor], part: Part) -> dict[str, Tensor]:
    """Return the tensors of ``part`` by their names inside it, as this release of ESPnet calls them."""
    prefix = f"{part.key}."
    names = {name: name.removeprefix(prefix) for name in states if name.startswith(prefix)}
    for old, new in OLDER_NAMES.items():
        names = {
            name: new + inside.removeprefix(old) if inside.startswith(old) else inside
            for name, inside in names.items()
        }
    return {inside: states[name] for name, inside in names.items()}


def tensors_of(model: torch.nn.Module, name: str) -> dict[str, Tensor]:
    """Return parameters and buffers of a part of the model, by their names inside it."""
    return dict(model.get_submodule(name).state_dict())


def refuse_misfit(
    wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], part: Part, states: Mapping[str, Tensor]
) -> None:
    """Raise DataError unless names and shapes are the same."""
    shapes = {
        name: f"{name} {tuple(found[name].shape)} for {tuple(wanted[name].shape)}"
        for name in wanted.keys() & found.keys()
        if found[name].shape != wanted[name].shape
    }
    misfits = {
        "missing": sorted(wanted.keys() - found.keys()),
        "extra": sorted(found.keys() - wanted.keys()),
        "misshapen": [shapes[name] for name in sorted(shapes)],
    }
    if not any(misfits.values()):
        return
    listed = "; ".join(f"{len(names)} {kind}: {_some(names)}" for kind, names in misfits.items() if names)
    there = ", ".join(sorted({name.partition(".")[0] for name in states}))
    raise DataError(
        f"{part.path}: its {part.key!r} does not fit the model's {part.name} of {len(wanted)} tensors; "
        f"{listed}. The file has {there}: give the right key, or the model the shape of that one"
    )


def _some(names: Sequence[str]) -> str:
    more = [f"and {len(names) - LISTED} more"] if len(names) > LISTED else []
    return ", ".join([*names[:LISTED], *more])


def count_tensors(model: torch.nn.Module, name: str) -> dict[str, int]:
    """Count a part's tensors, and the numbers in those that are trained."""
    parameters = model.get_submodule(name).parameters()
    return {"tensors": len(tensors_of(model, name)), "parameters": sum(p.numel() for p in parameters)}


def checksums(model: torch.nn.Module) -> dict[str, str]:
    """Return the checksum of every part of a model that has tensors."""
    names = [name for name, child in model.named_children() if child.state_dict()]
    return {name: checksum(tensors_of(model, name)) for name in names}


def checksum(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of tensors with their names, types and shapes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def file_checksum(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
