#!/usr/bin/env bash
# The paper's Figure 2: a student's targets change in the middle of its training, real to synthetic and back.
# Four students that share sources, batches and seed are trained, two of them without a change, and BLEU on the
# development set is measured on the way. What is finished is passed over, so run it again after a stop.
#
# Usage: ./figure2.sh [--stage N] [--stop_stage M] [--option value ...]      Paths are relative to this folder.
#   --switch_at half  half (of the steps; conf/<preset>/switch.yaml) | a step | epoch:N | plateau
#   --restart nothing nothing | optimiser | schedule | both: what begins anew at the switch
#   --langs, --student, --subset, --teacher, --decode, --preset, --corpus, --conf, --ngpu, --deb_dir, --workdir: as in
#   ./run.sh --help; a conf of your own has figure2.yaml and switch.yaml, too
#
# Stages: 1 to 6 those of run.sh, for both kinds of targets; 8 train four students; 12 the plot, exp/.../figure2_....png
cd "$(dirname "$0")" || exit 1
options="switch_at restart langs student subset teacher decode preset corpus conf ngpu deb_dir workdir"
switch_at=half restart=nothing langs=en-de student=2x2 subset=4000 teacher=own decode=beam4 preset=full \
    corpus="" conf="" ngpu=0 deb_dir="" workdir=.
# shellcheck disable=SC2034  # recipe.sh reads the choices
choices_switch_at="half NUMBER epoch:NUMBER plateau" choices_restart="nothing optimiser schedule both" \
    choices_langs="*-*" choices_student="2x2 6x6 24x6" choices_preset="mini full" choices_subset="all NUMBER" choices_ngpu=NUMBER \
    choices_teacher="own espnet:* ct2:* hf:* llm:* file:*"
. ../../../tools/recipe.sh
. ./path.sh
corpus=${corpus%"${corpus##*[!/]}"} first=$stage last=$((stop_stage < 6 ? stop_stage : 6)) how=${switch_at//:/}_$restart
for targets in real synth; do
    ((first > last)) || ./run.sh ${dry_run:+--dry_run} --stage "$first" --stop_stage "$last" --targets "$targets" --langs "$langs" \
        --student "$student" --subset "$subset" --teacher "$teacher" --decode "$decode" --preset "$preset" --ngpu "$ngpu" \
        --num_nodes "$num_nodes" --workdir "$workdir" ${conf:+--conf "$conf"} ${corpus:+--corpus "$corpus"} \
        ${deb_dir:+--deb_dir "$deb_dir"}
done
apart=""
. ../../../tools/mt1.sh # which names what run.sh has made
exp+=/figure2_${student}_${subset}_${taught}_$decode
train() { # train NAME TOKENS [OTHER_TOKENS]: a student, whose targets change if there are others
    local options=()
    if [[ -n "${3:-}" ]]; then
        options=(--switch_to "$data/tokens_$3" --config "$conf/switch.yaml" --switch.restart "$restart")
        [[ "$switch_at" == half ]] || options+=(--switch_at "$switch_at")
    fi
    run 8 "train on ${1//_/ }" synthst train --tokens "$data/tokens_$2" --valid_tokens "$data/tokens_dev" \
        "${tokenizers[@]}" --out "$exp/$1${3:+_$how}" "${pair[@]}" --config "$shared/student_$student.yaml" \
        --config "$conf/student.yaml" --config "$conf/figure2.yaml" "${gpu[@]}" --num_nodes "$num_nodes" \
        --labels "{targets: ${1//_/ }, student: $student, subset: ${subset/all/null}}" "${options[@]}"
}
train real "$real"
train synth "$synth"
train real_then_synth "$real" "$synth"
train synth_then_real "$synth" "$real"
run 12 "plot" synthst switch_plot --out "$exp/figure2_$how" \
    --models "[$exp/real, $exp/synth, $exp/real_then_synth_$how, $exp/synth_then_real_$how]"
