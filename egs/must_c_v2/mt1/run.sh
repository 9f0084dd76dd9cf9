#!/usr/bin/env bash
# MuST-C v2's talks as text: students of WMT21's English-German text, fine-tuned in their domain (the paper's Table 7).
#
# Usage: ./run.sh [--stage N] [--stop_stage M] [--option value ...]      Paths are relative to this folder.
#   --source downloads    where MUSTC_v2.0 was unpacked, see README.md
#   --corpus DIR          general texts, train and dev; by default those of ../../wmt21_en_de/mt1 at this preset
#   --pretrained synth    what the student learnt before, from the general texts: none (from scratch) | real (references) |
#                         synth (the general teacher's translations)
#   --targets synth       what it learns from MuST-C's: real (references) | synth (the teacher's)
#   --teacher general     general (trained on the general texts) | indomain (it, fine-tuned on MuST-C) | one taken for
#                         MuST-C: espnet:DIR ct2:DIR hf:NAME llm:YAML file:TSV
#   --student 2x2         2x2 | 6x6 | 24x6 encoder x decoder layers
#   --subset all          general texts that the student learns from before: a number, or all (mini: 4000)
#   --test_sets "[tst-COMMON]"  data directories beside or relative to MuST-C's, or sacreBLEU's names
#   --decode beam4        how they search: conf/decode_<name>.yaml at the top of the repository
#   --preset full         full (the paper's, for GPUs) | mini (to try the recipe)
#   --conf DIR (by default conf/<preset>)   --workdir . (for what it writes)   --seed N (of the student's trainings)
#   --ngpu 0   --num_nodes 1   --licence NAME (of the packed student)   --dry_run true (the plan; --dry_run alone: the commands)
# Stages: 1 prepare data, 2 teachers, 3 decode the sources, 4 replace targets, 6 tokens, 8 train on general texts, 9 fine-tune,
#   10 decode the test sets, 11 score, 12 entropy, 13 pack the student (5, 7: nothing here)
cd "$(dirname "$0")" || exit 1
options="source corpus pretrained targets teacher student subset test_sets decode preset conf ngpu seed workdir"
langs=en-de source=downloads corpus="" pretrained=synth targets=synth teacher=general student=2x2 \
    subset=all test_sets="[tst-COMMON]" decode=beam4 preset=full conf="" ngpu=0 seed="" workdir=.
# shellcheck disable=SC2034  # recipe.sh reads the choices
mini_subset=4000 choices_pretrained="none real synth" choices_targets="real synth" choices_student="2x2 6x6 24x6" \
    choices_subset="all NUMBER" choices_preset="mini full" choices_ngpu=NUMBER \
    choices_teacher="general indomain espnet:* ct2:* hf:* llm:* file:*"
. ../../../tools/recipe.sh; . ./path.sh
corpus=${corpus:-../../wmt21_en_de/mt1/data/$langs-$preset/corpus}
conf=${conf:-conf/$preset} shared=../../../conf data=$workdir/data/$langs-$preset exp=$workdir/exp/$langs-$preset
pair=(--src "${langs%-*}" --tgt "${langs#*-}") title="MuST-C v2" domain=$data/mustc domain_test=tst-COMMON
general_data=$data/wmt texts=$data/wmt_$subset texts_name=WMT texts_dev=$corpus/dev
. ../../../tools/fine_tuning.sh
. local/data.sh

check_sources      # 1: everything that is missing, at once
prepare_talks      # 1: MuST-C's train, dev and tst-COMMON
leave_out_held_out # 1: from what is learnt, all that is in a dev or test set

make_teachers      # 2: the general one, and the in-domain one that goes on from it
translate_sources  # 3, 4: general texts by the general teacher, MuST-C's by --teacher
write_tokens       # 6
train_student      # 8: on general texts, unless --pretrained none
fine_tune_student  # 9: on MuST-C
decode_test_sets   # 10
score              # 11
measure_entropy    # 12
pack_student       # 13
