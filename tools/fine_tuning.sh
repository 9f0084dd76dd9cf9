# The stages of recipes that fine-tune in a domain (the paper's Table 7), a function each, from the teachers on. Two trainings
# follow each other: on general texts, then on the domain's; both have real or synthetic targets.
#
# Source it after tools/recipe.sh and path.sh. Wanted: $general_data, what the general teacher learns from; ${texts}_real, what
# students learn from first, $texts_name for people and $texts_dev beside it; $domain, a directory with dev and the test sets,
# ${domain}_real, its training set, $domain_test, the domain's own test set if it is not called test, and $title.
# shellcheck shell=bash disable=SC2154

taught=${teacher//[^A-Za-z0-9.-]/_} general=$exp/teacher_general teacher_dir=$exp/teacher_$taught
[[ "$pretrained" == none ]] && before="" || before=${texts}_$pretrained
[[ "$pretrained" == synth ]] && before+=_general_$decode
train=${domain}_$targets
uses synth && train+=_${taught}_$decode

name=mt_$student${seed:+_seed$seed} label=$targets after=${before:+ after $pretrained}
uses synth && label="synth by $teacher"
begun=$exp/${name}_${before##*/} student_dir=$exp/${name}_${before:+${before##*/}_then_}${train##*/}

langs_list="[${langs/-/, }]" gpu=(--ngpu "$ngpu") tokenizers=(--tokenizers "$data/tokenizers")
search=("${gpu[@]}" --config "$shared/decode_$decode.yaml")
learn=(synthst train "${pair[@]}" "${tokenizers[@]}" "${gpu[@]}" --num_nodes "$num_nodes" ${seed:+--training.seed "$seed"}
    --config "$shared/student_$student.yaml" --config "$conf/student.yaml")

make_teachers() { # stage 2: as many as are needed
    run 2 "tokenisers" synthst train_tokenizers --data "$general_data" --out "$data/tokenizers" --langs "$langs_list" \
        --config "$conf/tokenizers.yaml"
    local teach=(synthst teacher "${pair[@]}" "${tokenizers[@]}" "${gpu[@]}" --num_nodes "$num_nodes" --sources "${domain}_real")
    teach+=(--config "$conf/teacher.yaml")
    if [[ "$pretrained" == synth ]] || { uses synth && is_one_of "$teacher" general indomain; }; then
        run 2 "general teacher" "${teach[@]}" --teacher own --out "$general" --data "$general_data" --dev "$texts_dev"
    fi
    uses synth && [[ "$teacher" != general ]] || return 0
    if [[ "$teacher" == indomain ]]; then
        teach+=(--teacher own --init "$general" --config "$conf/indomain.yaml")
    else
        teach+=(--teacher "$teacher")
    fi
    run 2 "$teacher teacher" "${teach[@]}" --out "$teacher_dir" --data "${domain}_real" --dev "$domain/dev"
}

translate() { # translate DATA TEACHER OUT: stages 3 and 4
    run 3 "decode ${1##*/}" synthst decode --teacher "$2" --data "$1" --out "$2/$decode" "${pair[@]}" "${search[@]}"
    run 4 "replace targets of ${1##*/}" synthst replace_targets --data "$1" --store "$2/$decode" --out "$3" "${pair[@]}"
}

translate_sources() { # stages 3 and 4
    [[ "$pretrained" != synth ]] || translate "${texts}_real" "$general" "$before"
    uses real || translate "${domain}_real" "$teacher_dir" "$train"
}

write_tokens() { # stage 6
    local set
    for set in ${before:+"$before" "$texts_dev"} "$train" "$domain/dev"; do
        run 6 "tokens of ${set#"$data/"}" synthst tokens --data "$set" --out "$(tokens_of "$set")" --langs "$langs_list" \
            "${tokenizers[@]}"
    done
}

tokens_of() { # tokens_of DATA: where its tokens go
    local name=${1#"$data/"}
    echo "$data/tokens_${name//\//_}"
}

train_student() { # stage 8
    [[ -z "$before" ]] || run 8 "train on $texts_name" "${learn[@]}" --tokens "$(tokens_of "$before")" \
        --valid_tokens "$(tokens_of "$texts_dev")" --out "$begun" \
        --labels "{targets: $pretrained, student: '$student, $texts_name only', subset: ${subset/all/null}}"
}

fine_tune_student() { # stage 9: from scratch with --pretrained none
    local begin=()
    [[ -z "$before" ]] || begin=(--init "$begun" --config "$conf/finetune.yaml")
    run 9 "fine-tune on $title" "${learn[@]}" "${begin[@]}" --tokens "$(tokens_of "$train")" \
        --valid_tokens "$(tokens_of "$domain/dev")" --out "$student_dir" \
        --labels "{targets: '$label', student: '$student$after${seed:+ seed $seed}', subset: ${subset/all/null}}"
}

decode_test_sets() { # stage 10: by the student, as it was before, and by the teacher
    local models=$student_dir
    [[ -z "$before" ]] || models+=", $begun"
    uses real || models+=", $teacher_dir"
    run 10 "decode the test sets" synthst translate_sets --models "[$models]" --data "$domain" --test_sets "$test_sets" \
        "${pair[@]}" "${search[@]}"
}

score() { # stage 11: RESULTS.md
    run 11 "score" synthst results --exp "$exp" --data "$domain" --test_sets "$test_sets" "${pair[@]}" \
        --out "$workdir/RESULTS.md" --title "$title, $langs, preset $preset" --command "$started_with"
}

measure_entropy() { # stage 12: of the student's predictions, on the domain's own test set
    run 12 "entropy on ${domain_test:-test}" synthst entropy --model "$student_dir" --data "$domain/${domain_test:-test}" "${pair[@]}" \
        "${search[@]}" --out "$student_dir/analysis/entropy_${domain_test:-test}"
}
