# The mechanics of every run.sh: options, guards, stages, logging. Source it after setting the defaults.
#
# Wanted before: options="name ..." (each a variable with its default, or mini_<name> for --preset mini) and, for an option with
# few values, choices_<name>="a b c", where NUMBER stands for any whole number and * for anything. It adds --stage and --stop_stage;
# beside --ngpu, --num_nodes (of a Slurm job, for trainings); --licence (of the packed student, in its card); --help, which prints
# the recipe's own header; and --dry_run, which prints the commands, each after its stage's number, and runs none. --dry_run true
# prints the plan: directories, and estimates of sizes and hours, after every command has checked its options and settings files.
# synthst/recipe.py is the same for Python.
# shellcheck shell=bash disable=SC2154
set -euo pipefail

stage=1
stop_stage=13
# shellcheck disable=SC2034
num_nodes=1 choices_num_nodes=NUMBER
[[ " $options " != *" ngpu "* ]] || options+=" num_nodes"
licence=""
[[ " $options " != *" targets "*" ngpu "* ]] || options+=" licence" # of recipes that end with a student
# shellcheck disable=SC2034
started_with="./${0##*/}${*:+$(printf ' %q' "$@")}"
dry_run=
given=()

refuse() { echo "${0##*/}: $*" >&2; exit 2; }

is_one_of() { # is_one_of VALUE CHOICE...
    local value=$1 choice
    shift
    for choice; do
        # shellcheck disable=SC2053
        [[ "$value" == ${choice/NUMBER/+([0-9])} ]] && return 0
    done
    return 1
}

is_there() { # is_there OPTIONS FILE...: refuse at once what a later stage would miss
    local wanted_by=$1 file
    shift
    for file; do
        [[ -f "$file" ]] || refuse "$wanted_by wants $file, which is not there (from $PWD)"
    done
}

read -ra known <<<"stage stop_stage $options"
while (($#)); do
    case "$1" in
        -h | --help) sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[-1]##*/}"; exit 0 ;;
        -n | --dry_run | --dry-run)
            dry_run=yes; shift
            case "${1:---}" in
                true) dry_run=plan; shift ;;
                false) dry_run=""; shift ;;
                -*) ;;
                *) refuse "--dry_run is '$1', wanted is true (the plan), false, or nothing (the commands)" ;;
            esac
            continue ;;
        --*) name=${1#--}; name=${name//-/_} ;;
        *) refuse "'$1' is no option; options start with --, see --help" ;;
    esac
    is_one_of "$name" "${known[@]}" || refuse "unknown option $1; known:$(printf ' --%s' "${known[@]}")"
    [[ -n "${2:-}" && "$2" != --* ]] || refuse "$1 wants a value"
    printf -v "$name" '%s' "$2"
    given+=("--$name" "$2")
    shift 2
done

for name in stage stop_stage; do
    [[ "${!name}" =~ ^([1-9]|1[0-3])$ ]] || refuse "--$name is '${!name}', wanted is a number from 1 to 13"
done
for name in $options; do
    mini=mini_$name
    [[ "${preset:-}" != mini || -z "${!mini:-}" || " ${given[*]} " == *" --$name "* ]] || printf -v "$name" '%s' "${!mini}"
done
((stage <= stop_stage)) || refuse "--stage $stage comes after --stop_stage $stop_stage"
for name in "${known[@]}"; do
    choices=choices_$name
    read -ra choices <<<"${!choices:-*}"
    is_one_of "${!name}" "${choices[@]}" || refuse "--$name is '${!name}', wanted is one of: ${choices[*]}"
done

if [[ "$dry_run" == plan ]]; then
    # shellcheck source=/dev/null
    . ./path.sh
    "./${0##*/}" "${given[@]}" --dry_run | synthst plan --rates ../../../conf/rates.yaml --expected conf/plan.yaml
    exit
fi

run() { # run NUMBER TITLE COMMAND...: one stage's command, if its number is asked for
    local number=$1 title=$2
    shift 2
    ((stage <= number && number <= stop_stage)) || return 0
    [[ -z "$dry_run" ]] || { echo "$number$(printf ' %q' "$@")"; return 0; }
    echo "$(date +%H:%M:%S) stage $number: $title" >&2
    "$@" && return 0
    echo "${0##*/}: stage $number ($title) failed; mend the cause and go on with --stage $number" >&2
    exit 1
}

pack_student() { # stage 13: the student with its card in one file; it wants $student_dir and $workdir
    # shellcheck disable=SC2154
    run 13 "pack the student" synthst pack --model "$student_dir" --out "$student_dir/pack.zip" \
        --results "$workdir/RESULTS.md" --licences ../../../conf/licences.yaml ${licence:+--licence "$licence"}
}

uses() { # uses VALUE...: is --targets one of these?
    is_one_of "$targets" "$@"
}
