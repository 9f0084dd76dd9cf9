# The stages that recipes of several language pairs share, a function each, for egs/*/mt1/run.sh to call in this order.
#
# Source it after tools/recipe.sh and path.sh. It wants the options that those run.sh have, $known_others (the languages that
# --others may name), $title for RESULTS.md, $uncleaned (the set of a pair's corpus that becomes its training set) and
# $pair_filters (what is dropped of it). prepare_pair PAIR, of the recipe, makes $(corpus_of PAIR): that set, dev and test.
# What is of one pair is in $data/<pair> and $exp/<pair>.
# shellcheck shell=bash disable=SC2154

pairs=() test_sets=""
for other in $others; do
    # shellcheck disable=SC2086
    is_one_of "$other" $known_others || refuse "--others holds '$other', wanted are two or more of: $known_others"
    pairs+=("${langs/mul/$other}")
    test_sets+="${test_sets:+, }test_${langs/mul/$other}"
done
((${#pairs[@]} > 1)) || refuse "--others is '$others', wanted are two or more of: $known_others"

src=${langs%-*} tgt=${langs#*-} name=${langs/mul/${others// /_}}-$preset
sides=(--src "$src" --tgt "$tgt") tags=${tgt/mul/$others}
tags="[${tags// /, }]"
conf=${conf:-conf/$preset} shared=../../../conf data=$workdir/data/$name exp=$workdir/exp/$name
taught=${teacher//[^A-Za-z0-9.-]/_} real=train_${subset}_real
train=$real
uses synth && train=train_${subset}_synth_${taught}_$decode
combined=${train}_t$temperature tokenizers=$data/tokenizers
student_dir=$exp/mt_${student}_$combined${seed:+_seed$seed}
gpu=(--ngpu "$ngpu") search=(--ngpu "$ngpu" --config "$shared/decode_$decode.yaml")

corpus_of() { # corpus_of PAIR: its train, dev and test
    echo "$workdir/data/$1-$preset/corpus"
}

prepare_pairs() { # stage 1
    local pair held_out=""
    for pair in "${pairs[@]}"; do
        held_out+="${held_out:+, }$(corpus_of "$pair")/dev, $(corpus_of "$pair")/test"
        prepare_pair "$pair"
    done
    for pair in "${pairs[@]}"; do
        run 1 "$pair without dev and test sentences" synthst filter --data "$(corpus_of "$pair")/$uncleaned" \
            --out "$data/$pair/train" --src "${pair%-*}" --tgt "${pair#*-}" --held_out "[$held_out]" \
            --filters "$pair_filters"
        run 1 "choose the subset of $pair" synthst subset --data "$data/$pair/train" --out "$data/$pair/$real" \
            --size "$subset" --rest "$data/$pair/rest_$subset"
        run 1 "$pair's test set" synthst combine_pairs --pairs "{$pair: $(corpus_of "$pair")/test}" \
            --out "$data/test_$pair" "${sides[@]}"
    done
    run 1 "dev sets" synthst combine_pairs --pairs "$(listed dev)" --out "$data/dev" "${sides[@]}"
    run 1 "training sets" synthst combine_pairs --pairs "$(listed train)" --out "$data/train" "${sides[@]}"
}

listed() { # listed SET: {en-de: DIRECTORY, ...}
    local pair found=""
    for pair in "${pairs[@]}"; do
        case "$1" in
            dev) found+="${found:+, }$pair: $(corpus_of "$pair")/dev" ;;
            *) found+="${found:+, }$pair: $data/$pair/$1" ;;
        esac
    done
    echo "{$found}"
}

make_teachers() { # stage 2
    local pair two
    run 2 "tokenisers" synthst train_tokenizers --data "$data/train" --out "$tokenizers" --langs "[$src, $tgt]" \
        --tags "$tags" --config "$conf/tokenizers.yaml"
    uses synth || return 0
    for pair in "${pairs[@]}"; do
        two="[${pair/-/, }]"
        run 2 "$pair's tokenisers" synthst train_tokenizers --data "$data/$pair/train" --out "$data/$pair/tokenizers" \
            --langs "$two" --config "$conf/tokenizers_pair.yaml"
        run 2 "$pair's teacher" synthst teacher --teacher "${teacher//\{pair\}/$pair}" --out "$exp/$pair/teacher_$taught" \
            --src "${pair%-*}" --tgt "${pair#*-}" --data "$data/$pair/train" --dev "$(corpus_of "$pair")/dev" \
            --tokenizers "$data/$pair/tokenizers" --sources "$data/$pair/$real" "${gpu[@]}" --num_nodes "$num_nodes" \
            --config "$conf/teacher.yaml"
    done
}

translate_sources() { # stages 3 and 4
    local pair own
    uses synth || return 0
    for pair in "${pairs[@]}"; do
        own=(--src "${pair%-*}" --tgt "${pair#*-}")
        run 3 "decode $pair" synthst decode --teacher "$exp/$pair/teacher_$taught" --data "$data/$pair/$real" \
            --out "$exp/$pair/teacher_$taught/$decode" "${own[@]}" "${search[@]}"
        run 4 "replace targets of $pair" synthst replace_targets --data "$data/$pair/$real" "${own[@]}" \
            --store "$exp/$pair/teacher_$taught/$decode" --out "$data/$pair/$train"
    done
}

combine_all() { # stage 5
    run 5 "put the pairs together" synthst combine_pairs --pairs "$(listed "$train")" --out "$data/$combined" "${sides[@]}" \
        --temperature "$temperature"
}

write_tokens() { # stage 6
    local set
    for set in "$combined" dev; do
        run 6 "tokens of $set" synthst tokens --data "$data/$set" --out "$data/tokens_$set" --langs "[$src, $tgt]" \
            --tokenizers "$tokenizers"
    done
}

train_student() { # stage 8
    run 8 "train the student" synthst train --tokens "$data/tokens_$combined" --valid_tokens "$data/tokens_dev" \
        --tokenizers "$tokenizers" --out "$student_dir" "${sides[@]}" --config "$shared/student_$student.yaml" \
        --config "$conf/student.yaml" "${gpu[@]}" --num_nodes "$num_nodes" ${seed:+--training.seed "$seed"} \
        --labels "{targets: $targets, student: '$student t$temperature${seed:+ seed $seed}', subset: ${subset/all/null}}"
}

decode_test_sets() { # stage 10
    run 10 "decode the test sets" synthst translate_sets --models "[$student_dir]" --data "$data" \
        --test_sets "[$test_sets]" "${sides[@]}" "${search[@]}"
}

score() { # stage 11
    run 11 "score" synthst results --exp "$exp" --data "$data" --test_sets "[$test_sets]" "${sides[@]}" \
        --out "$workdir/RESULTS.md" --title "$title, $langs, $others, preset $preset" --command "$started_with"
}

measure_entropy() { # stage 12: of the student's predictions, on each pair's test set
    local set
    for set in ${test_sets//,/}; do
        run 12 "entropy on $set" synthst entropy --model "$student_dir" --data "$data/$set" "${sides[@]}" "${search[@]}" \
            --out "$student_dir/analysis/entropy_$set"
    done
}
