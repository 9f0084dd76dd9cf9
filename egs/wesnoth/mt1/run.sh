#!/usr/bin/env bash
# The Battle for Wesnoth: students of LibreOffice's help texts, fine-tuned in another domain (the paper's Table 7).
#
# Usage: ./run.sh [--stage N] [--stop_stage M] [--option value ...]      Paths are relative to this folder.
#   --langs en-de         en-{de,es,fr,ru} or a reverse, e.g. de-en
#   --pretrained synth    what the student learnt before, from the help texts: none (from scratch) | real (references) |
#                         synth (the general teacher's translations)
#   --targets synth       what it learns from Wesnoth's: real (references) | synth (the teacher's)
#   --teacher general     general (trained on help texts, package descriptions and manuals) | indomain (it, fine-tuned
#                         on Wesnoth) | one taken for Wesnoth: espnet:DIR ct2:DIR hf:NAME llm:YAML file:TSV
#   --student 2x2         2x2 | 6x6 | 24x6 encoder x decoder layers
#   --subset all          help texts that the student learns from before: a number, or all
#   --test_sets "[test]"  data directories beside or relative to Wesnoth's, "[test, ../handbook/test]", or sacreBLEU's names
#   --decode beam4        how they search: conf/decode_<name>.yaml at the top of the repository
#   --preset full         full (the paper's width, for a GPU) | mini (minutes on two CPU cores)
#   --conf DIR (by default conf/<preset>)   --workdir . (for what it writes)   --seed N (of the student's trainings)
#   --deb_dir DIR (packages and lists, where there is no apt)
#   --ngpu 0   --num_nodes 1   --licence NAME (of the packed student)   --dry_run true (the plan; --dry_run alone: the commands)
# Stages: 1 prepare data, 2 teachers, 3 decode the sources, 4 replace targets, 6 tokens, 8 train on help texts, 9 fine-tune,
#   10 decode the test sets, 11 score, 12 entropy, 13 pack the student (5, 7: nothing here)
cd "$(dirname "$0")" || exit 1
options="langs pretrained targets teacher student subset test_sets decode preset conf ngpu seed deb_dir workdir"
langs=en-de pretrained=synth targets=synth teacher=general student=2x2 subset=all test_sets="[test]" decode=beam4 preset=full \
    conf="" ngpu=0 seed="" deb_dir="" workdir=.
# shellcheck disable=SC2034  # recipe.sh reads the choices
choices_langs="en-de en-es en-fr en-ru de-en es-en fr-en ru-en" choices_pretrained="none real synth" choices_targets="real synth" \
    choices_teacher="general indomain espnet:* ct2:* hf:* llm:* file:*" choices_student="2x2 6x6 24x6" choices_subset="all NUMBER" \
    choices_preset="mini full" choices_ngpu=NUMBER
. ../../../tools/recipe.sh; . ./path.sh
src=${langs%-*} conf=${conf:-conf/$preset} shared=../../../conf data=$workdir/data/$langs-$preset exp=$workdir/exp/$langs-$preset
pair=(--src "$src" --tgt "${langs#*-}") title=Wesnoth domain=$data/wesnoth texts=$data/help_$subset texts_name="help texts"
texts_dev=$data/libreoffice/dev general_data=$data/general
corpora=("$data"/{libreoffice,descriptions,handbook,wesnoth})
. ../../../tools/domains.sh
. ../../../tools/fine_tuning.sh

prepare_domains libreoffice descriptions handbook wesnoth # stage 1
join_apart "$general_data" "$data"/{libreoffice,descriptions,handbook}
join_apart "$data/help" "$data/libreoffice"
join_apart "${domain}_real" "$domain"
run 1 "choose the help texts" synthst subset --data "$data/help" --out "${texts}_real" --size "$subset" \
    --rest "$data/help_rest_$subset"

make_teachers     # 2: the general one, and the in-domain one that goes on from it
translate_sources # 3, 4: help texts by the general teacher, Wesnoth's by --teacher
write_tokens      # 6
train_student     # 8: on help texts, unless --pretrained none
fine_tune_student # 9: on Wesnoth
decode_test_sets  # 10
score             # 11
measure_entropy   # 12
pack_student      # 13
