#!/usr/bin/env bash
# IWSLT 2022's English-German speech: students whose encoder begins as a recogniser's (the paper's Table 5).
#
# Usage: ./run.sh [--stage N] [--stop_stage M] [--option value ...]      Paths are relative to this folder.
#   --source downloads  where the corpora were unpacked; README.md tells from where, and under which names
#   --st "mustc st_ted covost europarl_st"    training speech with translations: all, or some of these
#   --asr_only "librispeech tedlium commonvoice voxpopuli"    training speech that has only transcripts: all, some or none
#   --iwslt "tst2010 tst2013 tst2014 tst2015 tst2018 tst2019 tst2020"    test sets beside MuST-C's dev and tst-COMMON, or none
#   --general DIR     texts that the general teacher learns from: train and dev, as ../../wmt21_en_de/mt1 makes them; by
#                     default the speech's
#   --targets synth   real (references) | synth (the teacher's) | synth_asr (and those of speech with transcripts only)
#   --student 17x6    17x6 (the paper's; with --preset mini 6x3) | 6x3 Conformer encoder x Transformer decoder layers
#   --teacher own     own (trained on --general) | indomain (it, fine-tuned on MuST-C) | espnet:DIR ct2:DIR hf:NAME file:TSV
#   --asr own         what the encoder begins as: own (stage 7 trains it on all transcribed speech) | espnet:DIR | FILE.pth
#   --mt none         what the decoder begins as: none | own (stage 8 trains a text student on the same targets) | espnet:DIR
#   --restore yes     give transcripts of ASR-only speech case and punctuation before they are translated: yes | no
#   --decode beam4    how they search: conf/decode_<name>.yaml and decode_st_<name>.yaml at the repository's top
#   --preset full     full (the paper's, for GPUs) | mini (to try the recipe on a little of each corpus)
#   --conf DIR (by default conf/<preset>)   --workdir . (for what it writes)   --seed N (of the student)
#   --ngpu 0   --num_nodes 1   --licence NAME (of the packed student)   --dry_run true (the plan; --dry_run alone: the commands)
# Stages: 1 prepare data, 2 teacher, 3 decode the sources, 4 replace targets, 5 expand with ASR-only speech, 6 tokens and
#   audio, 7 recogniser, 8 train the student, 10 decode the test sets, 11 score, 12 entropy, 13 pack the student (9: nothing here)
cd "$(dirname "$0")" || exit 1
options="source st asr_only iwslt general targets student teacher asr mt restore decode preset conf ngpu seed workdir"
langs=en-de source=downloads st="mustc st_ted covost europarl_st" asr_only="librispeech tedlium commonvoice voxpopuli"
iwslt="tst2010 tst2013 tst2014 tst2015 tst2018 tst2019 tst2020" general="" targets=synth student=17x6 teacher=own asr=own mt=none
restore=yes decode=beam4 preset=full conf="" ngpu=0 seed="" workdir=.
# shellcheck disable=SC2034  # recipe.sh reads the choices
mini_student=6x3 choices_targets="real synth synth_asr" choices_student="17x6 6x3" \
    choices_teacher="own indomain espnet:* ct2:* hf:* file:*" choices_preset="mini full" choices_ngpu=NUMBER \
    choices_asr="own espnet:* *.pth" choices_mt="none own espnet:*" choices_restore="yes no"
. ../../../tools/recipe.sh
. ./path.sh
title="IWSLT 2022" restored=${restore/#yes/_restored} restored=${restored/#no/}
. ../../../tools/st1.sh
. local/data.sh

check_sources       # stage 1: everything that is missing, at once
prepare_test_sets   # 1: MuST-C's dev and tst-COMMON; IWSLT's, whose references have other lines than the speech
prepare_translated  # 1: all of --st in one, without what is in a test set
prepare_transcribed # 1: all of --asr_only in one

make_teacher     # stage 2
replace_targets  # 3, 4
expand_targets   # 5
write_tokens     # 6
dump_audio       # 6
train_recogniser # 7
train_student    # 8
decode_test_set  # 10: and cut the translations at the references' lines
score            # 11
measure_entropy  # 12
pack_student     # 13
