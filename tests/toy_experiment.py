"""A toy recipe whose stages take no time, and a table of its runs."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
EXPERIMENTS = sorted(ROOT.glob("egs/*/*/experiments/*.yaml"))
IDS = [f"utt_{number:02d}" for number in range(40)]
REFERENCES = [f"Klicken Sie auf Symbol {n} in der Leiste {n % 4} des Fensters." for n in range(40)]
HYPOTHESES = {
    "teacher": REFERENCES,
    "real": [line.replace("Klicken Sie auf", "Drücken").replace("des", "vom") for line in REFERENCES],
    "synth": [line if n % 5 else line.replace("Leiste", "Zeile") for n, line in enumerate(REFERENCES)],
}

RUN_SH = f"""#!/usr/bin/env bash
# A toy recipe.
cd "$(dirname "$0")" || exit 1
options="targets student subset seed preset workdir deb_dir"
targets=real student=2x2 subset=10 seed="" preset=mini workdir=. deb_dir=""
choices_student="2x2 6x6 24x6 meet broken"
. {ROOT}/tools/recipe.sh
exp=$workdir/exp/$preset student_dir=$exp/${{student}}_${{subset}}_$targets${{seed:+_seed$seed}}

synthst() {{ # what `synthst` would do, and a line before and after it in calls.txt
    local command=$1 out=$3 path
    echo "$$ begin $command $out" >>calls.txt
    case $command in
        teacher) sleep 0.1; mkdir "$out" 2>/dev/null; echo '{{"targets": "teacher"}}' >"$out/train.json" ;;
        train)
            if [[ $student == broken && $targets == synth ]]; then echo "the loss is nan"; return 1; fi
            if [[ $student == meet ]]; then meet || return 1; fi
            mkdir -p "$out"
            printf '{{"targets": "%s", "steps": 60, "seconds": 90}}' "$targets" >"$out/train.json" ;;
        translate_sets)
            for path in ${{out//[\\[\\],]/ }}; do
                for set in test other; do
                    [[ -d $path && ! -d $path/decode_$set ]] || continue
                    mkdir "$path/decode_$set"
                    [[ $path == */teacher ]] && targets=teacher
                    cp "data/$set/$targets.txt" "$path/decode_$set/text.de"
                done
            done ;;
    esac
    echo "$$ end $command $out" >>calls.txt
}}

meet() {{ # wait for another run at the same place
    touch "met_$targets"
    for _ in {{1..100}}; do
        [[ -e met_real && -e met_synth ]] && return
        sleep 0.05
    done
    return 1
}}

mkdir -p "$exp"
uses synth && run 2 "teacher" synthst teacher --out "$exp/teacher"
run 8 "train" synthst train --out "$student_dir" --note "ü [x], $deb_dir"
run 10 "decode" synthst translate_sets --models "[$student_dir, $exp/teacher]" --test_sets "[test, other]"
run 11 "score" synthst results --exp "$exp" --data data --tgt de
"""

TABLE = """
title: A toy
recipe: ../run.sh
rows:
  - {name: small, options: {student: 2x2}, paper: 2x2}
  - {name: large, options: {student: 6x6}}
columns:
  - {name: 10 %, options: {subset: 10}, presets: [mini], paper: 0.5M}
  - {name: 10 %, options: {subset: 100}, presets: [full], paper: 0.5M}
  - {name: 30 %, options: {subset: 300}, presets: [full]}
systems:
  - {name: real, options: {targets: real}}
  - {name: synthetic, options: {targets: synth}}
paper:
  small: {10 %: [17.6, 20.9], 30 %: [22.6, 23.5]}
"""


def make_recipe(folder: Path) -> Path:
    """Write the recipe with its test sets; return the experiment's file."""
    script = folder / "run.sh"
    script.write_text(RUN_SH, encoding="utf-8")
    script.chmod(0o755)
    for name in ("test", "other"):
        test_set = folder / "data" / name
        write_text(test_set / "text.de", REFERENCES)
        for targets, lines in HYPOTHESES.items():
            write_text(test_set / f"{targets}.txt", lines)
    return write_experiment(folder, TABLE)


def write_experiment(folder: Path, text: str) -> Path:
    """Write an experiment's file beside the toy recipe."""
    path = folder / "experiments" / "toy.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def write_text(path: Path, lines: list[str]) -> None:
    """Write a text table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{utterance} {line}\n" for utterance, line in zip(IDS, lines, strict=True))
    path.write_text(text, encoding="utf-8")


def read_calls(folder: Path) -> list[str]:
    """Return what the recipe's stages did: "teacher exp/mini/teacher", in the order of their beginning."""
    calls = folder / "calls.txt"
    lines = calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []
    return [line.split(" begin ")[1].replace("./", "") for line in lines if " begin " in line]
