#!/usr/bin/env bash
# LibreOffice's help texts, spoken by espeak-ng: speech translation students whose encoder begins as a recogniser's.
#
# Usage: ./run.sh [--stage N] [--stop_stage M] [--option value ...]   Paths are relative to this folder.
#   --langs en-de     en-{de,es,fr,ru}
#   --targets synth   real (references) | synth (the teacher's) | synth_asr (and those of speech with transcripts only)
#   --student 17x6    17x6 (the paper's) | 6x3 Conformer encoder x Transformer decoder layers
#   --teacher own     own (trained on all help texts) | indomain (it, fine-tuned on the spoken set's) | espnet:DIR | file:TSV
#   --asr own         own (stage 7 trains it on all transcribed speech), or one taken: espnet:DIR | FILE.pth
#   --decode beam4    how they search: conf/decode_<name>.yaml and decode_st_<name>.yaml at the repository's top
#   --preset full     full (the paper's width, for a GPU) | mini (minutes on two CPU cores)
#   --conf DIR (by default conf/<preset>)   --ngpu 0   --deb_dir DIR (where there is no apt)   --workdir . (for what it writes)
# Stages: 1 prepare data, 2 teacher, 3 decode the sources, 4 replace targets, 5 expand with ASR-only speech, 6 tokens and
#   audio, 7 recogniser, 8 train the student, 10 decode the test set, 11 score (9, 12, 13: nothing in this recipe)
cd "$(dirname "$0")" || exit 1
options="langs targets student teacher asr decode preset conf ngpu deb_dir workdir"
langs=en-de targets=synth student=17x6 teacher=own asr=own decode=beam4 preset=full conf="" ngpu=0 deb_dir="" workdir=.
# shellcheck disable=SC2034  # recipe.sh reads the choices
choices_langs="en-de en-es en-fr en-ru" choices_targets="real synth synth_asr" choices_student="17x6 6x3" choices_ngpu=NUMBER \
    choices_preset="mini full" choices_teacher="own indomain espnet:* file:*" choices_asr="own espnet:* *.pth"
. ../../../tools/recipe.sh
. ./path.sh
shared=../../../conf conf=${conf:-conf/$preset} data=$workdir/data/$langs-$preset exp=$workdir/exp/$langs-$preset
texts=$data/texts corpus=$data/corpus dump=$workdir/dump/$langs-$preset taught=${teacher//[^A-Za-z0-9.-]/_}
teacher_dir=$exp/teacher_$taught store=$exp/teacher_$taught/$decode extra=$corpus/train_asr langs_list="[${langs/-/, }]"
real=$corpus/train synth=$data/train_synth_${taught}_$decode synth_asr=$data/train_synth_asr_${taught}_$decode train=${!targets}
name=${train##*/} name=${name/%train/train_real} expanded=${targets#real} expanded=${expanded#synth} src=${langs%-*} tgt=${langs#*-}
[[ "$asr" == own ]] && asr_dir=$exp/asr_own || asr_dir=${asr#espnet:}
gpu=(--ngpu "$ngpu") pair=(--src "$src" --tgt "$tgt") tok=(--tokenizers "$data/tokenizers") asr_tok=(--tokenizers "$data/tokenizers_asr") label="$targets by $taught"
student_dir=$exp/st_${student}_$name label=${label/#real*/real}
search=("${gpu[@]}" --config "$shared/decode_$decode.yaml") shape=("${gpu[@]}" --config "$shared/conformer_$student.yaml")
teach=(synthst teacher "${pair[@]}" "${tok[@]}" "${gpu[@]}" --sources "$real" --config "$conf/teacher.yaml")
run 1 "prepare the texts" synthst prepare_libreoffice "${pair[@]}" --out "$texts" --downloads "$workdir/downloads" \
    ${deb_dir:+--deb_dir "$deb_dir"} --config "$conf/prepare.yaml"
run 1 "speak them" synthst prepare_spoken_libreoffice "${pair[@]}" --texts "$texts" --out "$corpus" --config "$conf/speak.yaml"
run 2 "tokenisers" synthst train_tokenizers --data "$texts/train" --out "$data/tokenizers" --langs "$langs_list" --config "$conf/tokenizers.yaml"
uses real || run 2 "teacher" "${teach[@]}" --teacher "${teacher/#indomain/own}" --out "${teacher_dir/%indomain/own}" \
    --data "$texts/train" --dev "$texts/dev"
uses real || [[ "$teacher" != indomain ]] || run 2 "in-domain teacher" "${teach[@]}" --teacher own --init "$exp/teacher_own" \
    --out "$teacher_dir" --data "$real" --dev "$corpus/dev" --config "$conf/indomain.yaml"
uses real || run 3 "decode the training set" synthst decode --teacher "$teacher_dir" --data "$real" --out "$store" --src "$src" "${search[@]}"
uses real || run 4 "replace targets" synthst replace_targets --data "$real" --store "$store" --out "$synth" "${pair[@]}"
uses real synth || run 5 "expand with ASR-only speech" synthst expand_with_speech --base "$synth" --extra "$extra" --out "$synth_asr" \
    --teacher "$teacher_dir" --store "$store" "${pair[@]}" "${search[@]}"
for set in "$train" "$corpus/dev"; do run 6 "tokens" synthst tokens --data "$set" --out "$data/tokens_${set##*/}" --langs "$langs_list" "${tok[@]}"; done
run 6 "transcripts" synthst combine --parents "[$real, $extra]" --out "$data/transcripts" --langs "[$src]"
run 6 "their tokeniser" synthst train_tokenizers --data "$data/transcripts" --out "${asr_tok[1]}" --langs "[$src]" --config "$conf/tokenizers_asr.yaml"
for set in "$data/transcripts" "$corpus/dev"; do run 6 "their tokens" synthst tokens --data "$set" --out "$data/asr_${set##*/}" --langs "[$src]" "${asr_tok[@]}"; done
for set in train train_asr; do run 6 "audio of $set" synthst dump --data "$corpus/$set" --out "$dump/$set" --config "$conf/audio.yaml"; done
for set in dev test; do run 6 "audio of $set" synthst dump --data "$corpus/$set" --out "$dump/$set"; done
[[ "$asr" != own ]] || run 7 "recogniser" synthst train_recogniser --tokens "$data/asr_transcripts" --valid_tokens "$data/asr_dev" --lang "$src" \
    --audio "[$dump/train, $dump/train_asr]" --valid_audio "[$dump/dev]" --out "$asr_dir" "${asr_tok[@]}" "${shape[@]}" --config "$conf/recogniser.yaml"
run 8 "train the student" synthst train_speech --tokens "$data/tokens_${train##*/}" --valid_tokens "$data/tokens_dev" --audio "[$dump/train${expanded:+, $dump/train_asr}]" \
    --valid_audio "[$dump/dev]" --asr "$asr_dir" --out "$student_dir" "${pair[@]}" "${tok[@]}" "${shape[@]}" --config "$conf/student.yaml" \
    --labels "{targets: $label, student: $student, subset: null}"
run 10 "decode the test set" synthst translate_speech --models "[$student_dir, $asr_dir]" --audio "$dump" --test_sets "[test]" \
    "${gpu[@]}" --config "$shared/decode_st_$decode.yaml"
uses real || run 10 "translate its transcripts" synthst translate_sets --models "[$teacher_dir]" --data "$corpus" --test_sets "[test]" "${pair[@]}" "${search[@]}"
run 11 "score" synthst report --exp "$exp" --data "$corpus" --test_sets "[test]" "${pair[@]}" --out "$workdir/RESULTS.md" \
    --title "LibreOffice help, spoken, $langs, preset $preset" --command "$started_with" --samples 10
