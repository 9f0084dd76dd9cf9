#!/usr/bin/env bash
# WMT21 English-German: students on the translations of a teacher that knows far more (the paper's Tables 2 and 6).
#
# Usage: ./run.sh [--stage N] [--stop_stage M] [--option value ...]      Paths are relative to this folder.
#   --targets synth       real (references) | synth (the teacher's) | synth_mono (and those of sources outside --subset)
#   --student 2x2         2x2 | 6x6 | 24x6 encoder x decoder layers
#   --subset all          training sentences whose references the student may see: 500000, 5000000, or all (mini: 4000)
#   --teacher hf:NAME     a published one: hf:NAME ct2:DIR espnet:DIR llm:YAML file:TSV | own (trained on all the text; mini)
#   --decode beam4        how it searches: conf/decode_<name>.yaml at the top of the repository
#   --choose NAME         which translations: conf/targets_<name>.yaml there (mbr, mild, strict); by default the best scored
#   --test_sets "[test]"  [ted, medical, law] too; data directories beside or relative to the corpus, or sacreBLEU's names
#   --preset full         full (the paper's, for GPUs) | mini (News Commentary to train on, all test sets, small models)
#   --downloads DIR       corpora, by default <workdir>/downloads; those that need a form are put there by hand, see README.md
#   --mtdata COMMAND      how to call mtdata, by default through uv; without a network stage 1 goes on from what DIR holds
#   --conf DIR (by default conf/<preset>)   --workdir . (for data, exp and RESULTS.md)   --seed N (of the training)
#   --ngpu 0   --num_nodes 1   --licence NAME (of the packed student)   --dry_run true (the plan; --dry_run alone: the commands)
# Stages: 1 prepare data, 2 teacher, 3 decode the sources, 4 replace targets, 5 expand with source-only text, 6 tokens,
#   8 train the student, 10 decode the test sets, 11 score, 12 entropy, 13 export and pack the student (7, 9: nothing here)
cd "$(dirname "$0")" || exit 1
options="targets student subset teacher decode choose test_sets preset downloads mtdata conf ngpu seed workdir"
langs=en-de targets=synth student=2x2 subset=all teacher=hf:facebook/wmt19-en-de decode=beam4 choose="" test_sets="[test]" preset=full
downloads="" mtdata="" conf="" ngpu=0 seed="" workdir=.
# shellcheck disable=SC2034  # recipe.sh reads the choices
mini_teacher=own mini_subset=4000 choices_targets="real synth synth_mono" choices_student="2x2 6x6 24x6" \
    choices_preset="mini full" choices_subset="all NUMBER" choices_ngpu=NUMBER choices_teacher="own espnet:* ct2:* hf:* llm:* file:*"
. ../../../tools/recipe.sh; . ./path.sh
# shellcheck disable=SC2034  # mt1.sh reads them
title="WMT21" shared_vocabulary=true corpus="" apart=""
. ../../../tools/mt1.sh

prepare_corpora test ted medical law # 1
choose_subset     # 1
make_teacher      # 2
replace_targets   # 3, 4, 5
write_tokens      # 6
train_student     # 8
decode_test_sets  # 10
score             # 11
analyse_student   # 12, 13
