"""Imports point one way, and heavy packages are imported only where they are what a module is about."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "synthst"
LAYERS = [
    {"errors"},
    {
        "atomic",
        "cluster",
        "database",
        "fill",
        "html",
        "multilingual",
        "sorting",
        "info",
        "tables",
        "sampling",
        "speechtables",
        "unfinished",
        "processes",
        "datadir",
        "packfile",
        "versions",
    },
    {
        "store",
        "lookup",
        "nbest",
        "testsets",
        "tokens",
        "pieces",
        "audio",
        "speechdir",
        "speed",
        "dump",
        "dump_parts",
        "dump_pool",
    },
    {"corpora", "teacher", "targets", "espnet", "score", "wer", "resegment"},
    {
        "report",
        "analysis",
        "audit",
        "page",
        "pack",
        "estimate",
        "experiments",
        "translate_lines",
        "recipe",
        "commands",
        "speech_commands",
        "teacher_commands",
        "cli",
        "command_help",
    },
]
MAY_IMPORT_EACH_OTHER = (1, 2, 4)  # the modules of layer 3 are siblings and may not
EXCEPTIONS = {("teacher.espnet", "espnet"), ("teacher.hf", "espnet")}
HEAVY = {
    "torch",
    "espnet2",
    "transformers",
    "ctranslate2",
    "openai",
    "duckdb",
    "pyarrow",
    "numpy",
    "sentencepiece",
}
HEAVY |= {"torchaudio", "librosa", "soundfile", "soxr", "kaldiio", "lhotse"}
LAYER = {part: number for number, parts in enumerate(LAYERS) for part in parts}


def module_name(path: Path) -> str:
    """Name a module inside the package: ``teacher.espnet``, and ``teacher`` for its __init__.py."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {
    module_name(path): path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"
}


def imports_of(path: Path, *, top_only: bool = False) -> set[str]:
    """Return what a module imports, by its full dotted name, in functions too unless ``top_only``."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set()
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: write imports from the package's name on"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


def own_parts(names: set[str]) -> set[str]:
    """Return the parts of the package, as in LAYERS, among imported names."""
    found = {match[1] for name in names if (match := re.match(r"synthst\.(\w+)", name))}
    return {part for part in found if part in LAYER or f"{part}" in {name.split(".")[0] for name in MODULES}}


def test_every_module_has_a_layer() -> None:
    assert {name.split(".")[0] for name in MODULES} <= set(LAYER)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_to_lower_layers(module: str) -> None:
    part = module.split(".")[0]
    for imported in own_parts(imports_of(MODULES[module])) - {part}:
        if (module, imported) in EXCEPTIONS:
            continue
        below, same = LAYER[imported] < LAYER[part], LAYER[imported] == LAYER[part]
        assert below or (same and LAYER[part] in MAY_IMPORT_EACH_OTHER), f"{module} imports {imported}"


def test_imports_make_no_circle() -> None:
    graph = {
        name: {
            imported.removeprefix("synthst.")
            for imported in imports_of(path)
            if imported.removeprefix("synthst.") in MODULES
        }
        for name, path in MODULES.items()
    }
    left = dict(graph)
    while free := {name for name, imported in left.items() if not imported & set(left) - {name}}:
        left = {name: imported for name, imported in left.items() if name not in free}
    assert not left, f"these import each other: {sorted(left)}"


def test_espnet2_is_imported_in_one_folder_only() -> None:
    users = {
        module
        for module, path in MODULES.items()
        if any(name.split(".")[0] == "espnet2" for name in imports_of(path))
    }
    assert users
    assert {module.split(".")[0] for module in users} == {"espnet"}


def test_torch_is_imported_for_models_and_for_speed_perturbation_only() -> None:
    users = {
        module.split(".")[0]
        for module, path in MODULES.items()
        if any(name.split(".")[0] == "torch" for name in imports_of(path))
    }
    assert users == {"espnet", "speed", "teacher"}


def test_duckdb_is_opened_in_one_place_only_with_its_limits_and_errors() -> None:
    assert [name for name, path in MODULES.items() if "duckdb.connect(" in path.read_text()] == ["database"]


@pytest.mark.parametrize("module", ["cli", "errors"])
def test_the_command_line_imports_nothing_heavy_at_its_top(module: str) -> None:
    names = imports_of(MODULES[module], top_only=True)
    assert not {name.split(".")[0] for name in names} & {*HEAVY, "jsonargparse"}
    assert own_parts(names) <= {"errors"}


def test_the_package_itself_imports_its_errors_only() -> None:
    assert own_parts(imports_of(PACKAGE / "__init__.py")) == {"errors"}
