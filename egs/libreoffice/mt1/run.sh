#!/usr/bin/env bash
# LibreOffice's help texts: a small MT student on a teacher's translations, or on the human references.
#
# Usage: ./run.sh [--stage N] [--stop_stage M] [--dry_run true] [--num_nodes M] [--licence NAME] [--option value ...]   Paths are relative to this folder.
#   --langs en-de     en-{de,es,fr,ru} or a reverse, e.g. de-en
#   --targets synth   real (references) | synth (the teacher's) | synth_mono (and those of sources outside --subset)
#   --student 2x2     2x2 | 6x6 | 24x6 encoder x decoder layers
#   --subset 4000     training sentences whose references the student may see, or all
#   --teacher own     own (trained on all help texts) | general (and other domains) | espnet:DIR ct2:DIR hf:NAME llm:YAML file:TSV
#   --decode beam4    how the teacher searches: conf/decode_<name>.yaml at the top of the repository
#   --choose NAME     which translations: conf/targets_<name>.yaml there (mbr, mild, strict); by default the best scored
#   --test_sets "[test]"  data directories beside or relative to the corpus, "[test, ../handbook/test]" (with --teacher general), or sacreBLEU's names
#   --preset full     full (the paper's width, for a GPU) | mini (minutes on two CPU cores)
#   --corpus DIR      your own train, dev and test data directories, in any languages, instead of the help texts
#   --conf DIR (by default conf/<preset>)   --ngpu 0   --seed N (of the training)   --deb_dir DIR (where there is no apt)   --workdir .
# Stages: 1 prepare data, 2 teacher, 3 decode the sources, 4 replace targets, 5 expand with source-only text,
#   6 tokens, 8 train the student, 10 decode the test set, 11 score, 12 entropy, 13 export and pack the student (7, 9: nothing here)
cd "$(dirname "$0")" || exit 1
options="langs targets student subset teacher decode choose test_sets preset corpus conf ngpu seed deb_dir workdir"
langs=en-de targets=synth student=2x2 subset=4000 teacher=own decode=beam4 choose="" test_sets="[test]" preset=full corpus="" conf="" ngpu=0 seed="" deb_dir="" workdir=.
# shellcheck disable=SC2034  # recipe.sh reads the choices
choices_langs="*-*" choices_targets="real synth synth_mono" choices_student="2x2 6x6 24x6" choices_preset="mini full" \
    choices_subset="all NUMBER" choices_ngpu=NUMBER choices_teacher="own general espnet:* ct2:* hf:* llm:* file:*"
. ../../../tools/recipe.sh; . ./path.sh; . ../../../tools/domains.sh
[[ "$targets $subset" != "synth_mono all" ]] || refuse "--targets synth_mono wants sentences outside --subset; make it a number"
[[ -n "$corpus" ]] || is_one_of "$langs" en-{de,es,fr,ru} {de,es,fr,ru}-en || refuse "--langs is '$langs', wanted is one of:" en-{de,es,fr,ru} {de,es,fr,ru}-en
conf=${conf:-conf/$preset} shared=../../../conf own=${corpus:+${corpus##*/}-} data=$workdir/data/$own$langs-$preset exp=$workdir/exp/$own$langs-$preset
pair=(--src "${langs%-*}" --tgt "${langs#*-}") langs_list="[${langs/-/, }]" texts=${corpus:-$data/corpus}
pool=$texts/train teach_on=$texts/train apart="" corpora=("$texts" "$data"/{descriptions,handbook,wesnoth})
[[ "$teacher" != general ]] || { pool=$data/apart teach_on=$data/general apart=apart_; }
taught=${teacher//[^A-Za-z0-9.-]/_} teacher_dir=$exp/teacher_$taught store=$exp/teacher_$taught/$decode
chosen=${taught}_$decode${choose:+_$choose} extra=rest_$apart$subset
labels="{targets: $targets${choose:+ $choose}, student: $student${seed:+ seed $seed}, subset: ${subset/all/null}}"
real=train_$apart${subset}_real synth=train_$apart${subset}_synth_$chosen mono=train_$apart${subset}_synth_mono_$chosen
train=${targets/#synth_mono/mono} train=${!train} student_dir=$exp/mt_${student}_$train${seed:+_seed$seed}
tokens=(--langs "$langs_list" --tokenizers "$data/${apart}tokenizers") search=(--ngpu "$ngpu" --config "$shared/decode_$decode.yaml")
[[ -n "$corpus" ]] || run 1 "prepare data" synthst prepare_libreoffice "${pair[@]}" --out "$texts" \
    --downloads "$workdir/downloads" ${deb_dir:+--deb_dir "$deb_dir"} --config "$conf/prepare.yaml"
[[ "$teacher" != general ]] || prepare_general # stages 1, 2
run 1 "choose the subset" synthst subset --data "$pool" --out "$data/$real" --size "$subset" --rest "$data/$extra" --config "$conf/subset.yaml"
run 2 "tokenisers" synthst train_tokenizers --data "$pool" --out "$data/${apart}tokenizers" --langs "$langs_list" \
    --shared "$([[ "$langs" == *ru* ]] && echo false || echo true)" --config "$conf/tokenizers.yaml"
uses synth synth_mono && run 2 "teacher" synthst teacher --teacher "${teacher/#general/own}" --out "$teacher_dir" "${pair[@]}" \
    --data "$teach_on" --dev "$texts/dev" --tokenizers "$data/tokenizers${apart:+_general}" --sources "$data/$real" --ngpu "$ngpu" --num_nodes "$num_nodes" --config "$conf/teacher.yaml"
translate=(synthst decode --teacher "$teacher_dir" --out "$store" "${pair[@]}" "${search[@]}")
uses synth synth_mono && run 3 "decode the subset" "${translate[@]}" --data "$data/$real"
uses synth_mono && run 3 "decode the rest" "${translate[@]}" --data "$data/$extra"
replace=(--store "$store" "${pair[@]}" ${choose:+--config "$shared/targets_$choose.yaml" --held_out "[$texts/dev, $texts/test]"})
uses synth synth_mono && run 4 "replace targets" synthst replace_targets --data "$data/$real" --out "$data/$synth" "${replace[@]}"
uses synth_mono && run 5 "expand with source-only text" synthst expand_targets --base "$data/$synth" --extra "$data/$extra" --out "$data/$mono" "${replace[@]}"
for set in "$data/$train" "$texts/dev"; do run 6 "tokens" synthst tokens --data "$set" --out "$data/${apart}tokens_${set##*/}" "${tokens[@]}"; done
run 8 "train the student" synthst train --tokens "$data/${apart}tokens_$train" --valid_tokens "$data/${apart}tokens_dev" \
    --tokenizers "$data/${apart}tokenizers" --out "$student_dir" "${pair[@]}" --config "$shared/student_$student.yaml" \
    --config "$conf/student.yaml" --ngpu "$ngpu" --num_nodes "$num_nodes" ${seed:+--training.seed "$seed"} --labels "$labels"
run 10 "decode the test set" synthst translate_sets --models "[$student_dir, $teacher_dir]" --data "$texts" \
    --test_sets "$test_sets" "${pair[@]}" "${search[@]}"
run 11 "score" synthst results --exp "$exp" --data "$texts" --test_sets "$test_sets" "${pair[@]}" --out "$workdir/RESULTS.md" \
    --title "${own:-LibreOffice help, }$langs, preset $preset" --command "$started_with"
run 12 "entropy on the test set" synthst entropy --model "$student_dir" --data "$texts/test" "${pair[@]}" "${search[@]}" --out "$student_dir/analysis/entropy_test"
run 13 "export the student" synthst export --model "$student_dir" --out "$student_dir/export"; pack_student
