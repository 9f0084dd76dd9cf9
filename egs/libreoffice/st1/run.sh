#!/usr/bin/env bash
# LibreOffice's help texts, spoken by espeak-ng: speech translation students whose encoder begins as a recogniser's.
#
# Usage: ./run.sh [--stage N] [--stop_stage M] [--option value ...]      Paths are relative to this folder.
#   --langs en-de     en-{de,es,fr,ru}
#   --targets synth   real (references) | synth (the teacher's) | synth_asr (and those of speech with transcripts only)
#   --student 17x6    17x6 (the paper's) | 6x3 Conformer encoder x Transformer decoder layers
#   --teacher own     own (trained on all help texts) | indomain (it, fine-tuned on the spoken set's) | espnet:DIR | file:TSV
#   --asr own         what the encoder begins as: own (stage 7 trains it on all transcribed speech) | espnet:DIR | FILE.pth
#   --mt none         what the decoder begins as: none | own (stage 8 trains a text student on the same targets) | espnet:DIR
#   --decode beam4    how they search: conf/decode_<name>.yaml and decode_st_<name>.yaml at the repository's top
#   --preset full     full (the paper's width, for a GPU) | mini (minutes on two CPU cores)
#   --conf DIR (by default conf/<preset>)   --workdir . (for what it writes)   --seed N (of the student)
#   --deb_dir DIR (where there is no apt)
#   --ngpu 0   --num_nodes 1   --licence NAME (of the packed student)   --dry_run true (the plan; --dry_run alone: the commands)
# Stages: 1 prepare data, 2 teacher, 3 decode the sources, 4 replace targets, 5 expand with ASR-only speech, 6 tokens and
#   audio, 7 recogniser, 8 train the student, 10 decode the test set, 11 score, 12 entropy, 13 pack the student (9: nothing here)
cd "$(dirname "$0")" || exit 1
options="langs targets student teacher asr mt decode preset conf ngpu seed deb_dir workdir"
langs=en-de targets=synth student=17x6 teacher=own asr=own mt=none decode=beam4 preset=full conf="" ngpu=0 seed="" deb_dir="" workdir=.
# shellcheck disable=SC2034  # recipe.sh reads the choices
choices_langs="en-de en-es en-fr en-ru" choices_targets="real synth synth_asr" choices_student="17x6 6x3" \
    choices_teacher="own indomain espnet:* file:*" choices_asr="own espnet:* *.pth" choices_mt="none own espnet:*" \
    choices_preset="mini full" choices_ngpu=NUMBER
. ../../../tools/recipe.sh
. ./path.sh
title="LibreOffice help, spoken"
. ../../../tools/st1.sh
extra=$corpus/train_asr

run 1 "prepare the texts" synthst prepare_libreoffice "${pair[@]}" --out "$texts" "${fetch[@]}" --config "$conf/prepare.yaml"
run 1 "speak them" synthst prepare_spoken_libreoffice "${pair[@]}" --texts "$texts" --out "$corpus" --config "$conf/speak.yaml"

make_teacher     # stage 2
replace_targets  # 3, 4
expand_targets   # 5
write_tokens     # 6
dump_audio       # 6
train_recogniser # 7
train_student    # 8
decode_test_set  # 10
score            # 11
measure_entropy  # 12
pack_student     # 13
