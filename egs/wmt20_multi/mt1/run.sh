#!/usr/bin/env bash
# WMT20's English with German, Spanish and French: one student for all, taught by a teacher per pair (the paper's Tables 3 and 4).
#
# Usage: ./run.sh [--stage N] [--stop_stage M] [--option value ...]      Paths are relative to this folder.
#   --langs en-mul        en-mul (English into the others, Table 3) | mul-en (the others into English, Table 4)
#   --others "de es fr"   the other languages, two or more of these
#   --targets synth       real (references) | synth (each pair's teacher's)
#   --student 2x2         2x2 | 6x6 | 24x6 encoder x decoder layers
#   --subset all          training sentences of each pair whose references the student may see: 500000, 5000000, or all (mini: 4000)
#   --temperature 1       shares of the pairs: 1 (as they are) | 5 and the like (more even) | inf (balanced)
#   --teacher own         own (stage 2 trains one for each pair), or taken, {pair} standing for en-de and so on:
#                         espnet:DIR ct2:DIR hf:NAME llm:YAML file:TSV, such as hf:Helsinki-NLP/opus-mt-{pair}
#   --decode beam4        how they search: conf/decode_<name>.yaml at the top of the repository
#   --preset full         full (the paper's, for GPUs) | mini (News Commentary only, small models)
#   --downloads DIR       corpora, by default <workdir>/downloads
#   --mtdata COMMAND      how to call mtdata, by default through uv; without a network stage 1 goes on from what DIR holds
#   --conf DIR (by default conf/<preset>)   --workdir . (for data, exp, RESULTS.md)   --seed N (of the student's training)
#   --ngpu 0   --num_nodes 1   --licence NAME (of the packed student)   --dry_run true (the plan; --dry_run alone: the commands)
# Stages: 1 prepare data, 2 teachers, 3 decode the sources, 4 replace targets, 5 put the pairs together, 6 tokens,
#   8 train the student, 10 decode the test sets, 11 score, 12 entropy, 13 pack the student (7, 9: nothing here)
cd "$(dirname "$0")" || exit 1
options="langs others targets student subset temperature teacher decode preset downloads mtdata conf ngpu seed workdir"
langs=en-mul others="de es fr" targets=synth student=2x2 subset=all temperature=1 teacher=own decode=beam4 preset=full
downloads="" mtdata="" conf="" ngpu=0 seed="" workdir=.
# shellcheck disable=SC2034  # recipe.sh reads the choices
mini_subset=4000 choices_langs="en-mul mul-en" choices_targets="real synth" choices_student="2x2 6x6 24x6" \
    choices_subset="all NUMBER" choices_temperature="NUMBER NUMBER.* inf" choices_teacher="own espnet:* ct2:* hf:* llm:* file:*" \
    choices_preset="mini full" choices_ngpu=NUMBER
. ../../../tools/recipe.sh; . ./path.sh
# shellcheck disable=SC2034  # mul.sh reads them
title="WMT20" known_others="de es fr" uncleaned=raw pair_filters=../../../conf/filters_wmt.yaml
. ../../../tools/mul.sh

prepare_pair() { # prepare_pair PAIR: fetch and check
    local other=${1/en-/}
    run 1 "$1" synthst prepare_bitext --src "${1%-*}" --tgt "${1#*-}" --out "$(corpus_of "$1")" \
        --downloads "${downloads:-$workdir/downloads}" ${mtdata:+--mtdata "$mtdata"} --config "$conf/corpora_${other/-en/}.yaml"
}

prepare_pairs      # 1: each pair's sets, cleaned, without what is in dev or test of any of them
make_teachers      # 2: tokenisers of all pairs together, and a teacher for each pair
translate_sources  # 3, 4: each pair's subset, by its teacher
combine_all        # 5: the pairs in one data directory, in the shares that --temperature says
write_tokens       # 6: with the tag of the wanted language before each source
train_student      # 8
decode_test_sets   # 10
score              # 11: each pair, and the average
measure_entropy    # 12
pack_student       # 13
