# The stages that every speech translation recipe shares, a function each, for egs/*/st1/run.sh to call in this order.
#
# Source it after tools/recipe.sh and path.sh. It wants the options that those run.sh have, and $title for RESULTS.md.
# Stage 1 is the recipe's own: it makes texts for the general teacher in $texts, speech with its translations in
# $corpus/train, dev and test, and speech that has only transcripts in $extra, which is "" where there is none. Ask
# needs_extra whether that is wanted at all. The recipe may set anew: extra, texts, real,
# indomain (what the in-domain teacher learns from, if not $real), the test sets (tests), their speech if that has other segments
# than the references' lines (spoken), and expand_options; with these goes $restored, set before, which is in the expanded set's
# name.
# shellcheck shell=bash disable=SC2154

src=${langs%-*} tgt=${langs#*-} langs_list="[${langs/-/, }]" shared=../../../conf conf=${conf:-conf/$preset}
data=$workdir/data/$langs-$preset exp=$workdir/exp/$langs-$preset dump=$workdir/dump/$langs-$preset
texts=$data/texts corpus=$data/corpus extra=$data/train_asr
tests=(test) spoken=(test) expand_options=() test_audio=() indomain=""

taught=${teacher//[^A-Za-z0-9.-]/_} teacher_dir=$exp/teacher_$taught store=$teacher_dir/$decode
real=$corpus/train synth=$data/train_synth_${taught}_$decode synth_asr=$data/train_synth_asr${restored:-}_${taught}_$decode
train=${!targets} name=${!targets##*/}
name=${name/%train/train_real} label="$targets by $taught"
uses real && label=real

asr_dir=${asr#espnet:} mt_dir=${mt#espnet:} mt_label=$label student_dir=$exp/st_${student}_$name
[[ "$asr" != own ]] || asr_dir=$exp/asr_own
[[ "$asr" == own ]] || student_dir+=_asr_${asr//[^A-Za-z0-9.-]/_} label+=", encoder of ${asr##*/}"
[[ "$mt" == own ]] && mt_dir=$exp/mt_${student}_$name
[[ "$mt" == none ]] || student_dir+=_mt_${mt//[^A-Za-z0-9.-]/_} label+=", decoder of mt ${mt##*/}"
student_dir+=${seed:+_seed$seed}

# shellcheck disable=SC2034  # for stage 1
fetch=(--downloads "$workdir/downloads" ${deb_dir:+--deb_dir "$deb_dir"})
pair=(--src "$src" --tgt "$tgt") gpu=(--ngpu "$ngpu") gpus=(--ngpu "$ngpu" --num_nodes "$num_nodes")
tokenizers=(--tokenizers "$data/tokenizers") asr_tokenizers=(--tokenizers "$data/tokenizers_asr")
search=("${gpu[@]}" --config "$shared/decode_$decode.yaml") shape=("${gpus[@]}" --config "$shared/conformer_$student.yaml")

list() { # list NAME...: as YAML
    local names
    printf -v names ', %s' "$@"
    echo "[${names#, }]"
}

needs_extra() { # is there speech with only transcripts, and does the student or an own recogniser learn from it?
    [[ -n "$extra" ]] && { [[ "$asr" == own ]] || uses synth_asr; }
}

make_teacher() { # stage 2: the tokenisers; the general teacher, and the in-domain one that goes on from it
    run 2 "tokenisers" synthst train_tokenizers --data "$texts/train" --out "$data/tokenizers" --langs "$langs_list" \
        --config "$conf/tokenizers.yaml"
    uses real && return
    local teach=(synthst teacher "${pair[@]}" "${tokenizers[@]}" "${gpus[@]}" --sources "$real" --config "$conf/teacher.yaml")
    run 2 "teacher" "${teach[@]}" --teacher "${teacher/#indomain/own}" --out "${teacher_dir/%indomain/own}" \
        --data "$texts/train" --dev "$texts/dev"
    [[ "$teacher" != indomain ]] || run 2 "in-domain teacher" "${teach[@]}" --teacher own --init "$exp/teacher_own" \
        --out "$teacher_dir" --data "${indomain:-$real}" --dev "$corpus/dev" --config "$conf/indomain.yaml"
}

replace_targets() { # stages 3 and 4: the teacher's translations in place of the training set's references
    uses real && return
    run 3 "decode the training set" synthst decode --teacher "$teacher_dir" --data "$real" --out "$store" \
        --src "$src" "${search[@]}"
    run 4 "replace targets" synthst replace_targets --data "$real" --store "$store" --out "$synth" "${pair[@]}"
}

expand_targets() { # stage 5: and those of the speech that has only transcripts
    uses synth_asr || return 0
    run 5 "expand with ASR-only speech" synthst expand_with_speech --base "$synth" --extra "$extra" --out "$synth_asr" \
        --teacher "$teacher_dir" --store "$store" "${pair[@]}" "${search[@]}" "${expand_options[@]}"
}

write_tokens() { # stage 6: of source and target for the student, of all transcripts for an own recogniser
    local set
    for set in "$train" "$corpus/dev"; do
        run 6 "tokens of ${set##*/}" synthst tokens --data "$set" --out "$data/tokens_${set##*/}" --langs "$langs_list" \
            "${tokenizers[@]}"
    done
    [[ "$asr" == own ]] || return 0
    run 6 "all transcripts" synthst combine --parents "[$real${extra:+, $extra}]" --out "$data/transcripts" --langs "[$src]"
    run 6 "recogniser's tokeniser" synthst train_tokenizers --data "$data/transcripts" --out "$data/tokenizers_asr" \
        --langs "[$src]" --config "$conf/tokenizers_asr.yaml"
    for set in "$data/transcripts" "$corpus/dev"; do
        run 6 "recogniser's tokens of ${set##*/}" synthst tokens --data "$set" --out "$data/asr_${set##*/}" --langs "[$src]" \
            "${asr_tokenizers[@]}"
    done
}

dump_audio() { # stage 6: once, for all models
    local set train=("$real")
    ! needs_extra || train+=("$extra")
    for set in "${train[@]}"; do
        run 6 "audio of ${set##*/}" synthst dump --data "$set" --out "$dump/${set##*/}" --config "$conf/audio.yaml"
    done
    run 6 "audio of dev" synthst dump --data "$corpus/dev" --out "$dump/dev"
    for set in "${spoken[@]}"; do
        [[ "$set" == dev ]] || run 6 "audio of $set" synthst dump --data "$corpus/$set" --out "$dump/$set" "${test_audio[@]}"
    done
}

train_recogniser() { # stage 7: what the student's encoder begins as
    [[ "$asr" == own ]] || return 0
    run 7 "recogniser" synthst train_recogniser --tokens "$data/asr_transcripts" --valid_tokens "$data/asr_dev" \
        --audio "[$dump/train${extra:+, $dump/${extra##*/}}]" --valid_audio "[$dump/dev]" --lang "$src" --out "$asr_dir" \
        "${asr_tokenizers[@]}" "${shape[@]}" --config "$conf/recogniser.yaml"
}

train_student() { # stage 8: with --mt own the text student of the same targets, whose decoder it begins as, goes before
    local tokens=(--tokens "$data/tokens_${train##*/}" --valid_tokens "$data/tokens_dev" "${tokenizers[@]}" "${pair[@]}")
    local audio=$dump/train begin=(--asr "$asr_dir")
    uses synth_asr && audio+=", $dump/${extra##*/}"
    [[ "$mt" == none ]] || begin+=(--mt "$mt_dir")
    [[ "$mt" != own ]] || run 8 "train the text student" synthst train "${tokens[@]}" --out "$mt_dir" "${gpus[@]}" \
        --config "$shared/mt_$student.yaml" --config "$conf/mt.yaml" \
        --labels "{targets: '$mt_label', student: text for $student, subset: null}"
    run 8 "train the student" synthst train_speech "${tokens[@]}" --audio "[$audio]" --valid_audio "[$dump/dev]" \
        "${begin[@]}" --out "$student_dir" "${shape[@]}" --config "$conf/student.yaml" \
        ${seed:+--training.seed "$seed"} --labels "{targets: '$label', student: $student${seed:+ seed $seed}, subset: null}"
}

decode_test_set() { # stage 10: the speech by student and recogniser, its transcripts by the teacher and the text student
    local speech=$student_dir text=""
    [[ "$asr" == own ]] && speech+=", $asr_dir"
    uses real || text=$teacher_dir
    [[ "$mt" == own ]] && text+="${text:+, }$mt_dir"
    run 10 "decode the test set" synthst translate_speech --models "[$speech]" --audio "$dump" \
        --test_sets "$(list "${spoken[@]}")" "${gpu[@]}" --config "$shared/decode_st_$decode.yaml"
    [[ "${spoken[*]}" == "${tests[*]}" ]] || run 10 "cut the translations at the references' lines" synthst resegment \
        --models "[$speech]" --data "$corpus" --test_sets "$(list "${tests[@]}")"
    [[ -z "$text" ]] || run 10 "translate its transcripts" synthst translate_sets --models "[$text]" --data "$corpus" \
        --test_sets "$(list "${tests[@]}")" "${pair[@]}" "${search[@]}"
}

score() { # stage 11: RESULTS.md
    run 11 "score" synthst results --exp "$exp" --data "$corpus" --test_sets "$(list "${tests[@]}")" "${pair[@]}" --samples 10 \
        --out "$workdir/RESULTS.md" --title "$title, $langs, preset $preset" --command "$started_with"
}

measure_entropy() { # stage 12: of the student's predictions, on the test sets whose speech has the references' lines
    local set
    for set in "${tests[@]}"; do
        [[ " ${spoken[*]} " != *" $set "* ]] || run 12 "entropy on $set" synthst entropy --model "$student_dir" \
            --data "$corpus/$set" --audio "$dump/$set" "${pair[@]}" "${gpu[@]}" --config "$shared/decode_st_$decode.yaml" \
            --out "$student_dir/analysis/entropy_$set"
    done
}
