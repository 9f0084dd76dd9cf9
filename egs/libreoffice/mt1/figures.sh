#!/usr/bin/env bash
# The paper's Figures 1 and 3 and its Table 8, of a student on real and one on synthetic targets, and their teacher.
# Figure 2 trains students of its own: ./figure2.sh. What is finished is passed over, so run it again after a stop.
#
# Usage: ./figures.sh [--stage N] [--stop_stage M] [--option value ...]      Paths are relative to this folder.
#   --ks "[1, 2, 5, 10, 20, 50]"   how many tokens the search may draw from (Figure 3)
#   --seeds "[1, 2, 3]"   of the drawings, one translation of the test set each
#   --teacher own     own | general
#   --langs, --student, --subset, --decode, --preset, --conf, --ngpu, --deb_dir, --workdir: as in ./run.sh --help
#
# Stages: 1 to 12 those of run.sh, for both kinds of targets; 12 the analyses: exp/.../figure1.png, figure3.png and table8.md,
#   with the numbers in .csv and the plots as .svg beside them
cd "$(dirname "$0")" || exit 1
options="ks seeds langs student subset teacher decode preset conf ngpu deb_dir workdir"
ks="[1, 2, 5, 10, 20, 50]" seeds="[1, 2, 3]" langs=en-de student=2x2 subset=4000 teacher=own decode=beam4 preset=full conf="" ngpu=0 \
    deb_dir="" workdir=.
# shellcheck disable=SC2034  # recipe.sh reads the choices
choices_langs="*-*" choices_student="2x2 6x6 24x6" choices_preset="mini full" choices_subset="all NUMBER" choices_ngpu=NUMBER \
    choices_teacher="own general"
. ../../../tools/recipe.sh
. ./path.sh
first=$stage last=$((stop_stage < 12 ? stop_stage : 12))
for targets in real synth; do
    ((first > last)) || ./run.sh ${dry_run:+--dry_run} --stage "$first" --stop_stage "$last" --targets "$targets" --langs "$langs" \
        --student "$student" --subset "$subset" --teacher "$teacher" --decode "$decode" --preset "$preset" --ngpu "$ngpu" \
        --num_nodes "$num_nodes" --workdir "$workdir" ${conf:+--conf "$conf"} ${deb_dir:+--deb_dir "$deb_dir"}
done
corpus="" apart=""
[[ "$teacher" != general ]] || apart=apart_
. ../../../tools/mt1.sh # which names what run.sh has made
models=("$exp/mt_${student}_$real" "$exp/mt_${student}_$synth" "$teacher_dir")
run 12 "entropy of the teacher" synthst entropy --model "$teacher_dir" --data "$corpus/test" "${pair[@]}" "${search[@]}" \
    --out "$teacher_dir/analysis/entropy_test"
run 12 "Figure 1" synthst curves --models "[${models[0]}, ${models[1]}]" --out "$exp/figure1"
run 12 "Figure 3" synthst topk --models "[${models[0]}, ${models[1]}, ${models[2]}]" --data "$corpus/test" "${pair[@]}" \
    --ks "$ks" --seeds "$seeds" "${gpu[@]}" --out "$exp/figure3"
printf -v measured ', %s/analysis/entropy_test' "${models[@]}"
run 12 "Table 8" synthst entropy_table --entropies "[${measured#, }]" --out "$exp/table8"
