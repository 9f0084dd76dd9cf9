# The stages that recipes on one language pair share, a function each, for egs/*/mt1/run.sh to call in this order.
#
# Source it after tools/recipe.sh and path.sh. It wants the options that those run.sh have and
#   $title              of RESULTS.md
#   $shared_vocabulary  true, or false for a vocabulary of each language
#   $corpus             a folder with train, dev and test, or "" for the one that stage 1 makes
#   $apart              "", or how the names of what is made of another pool begin
# $pool is what students learn from, $teacher_pool what a teacher of one's own does, $teacher_tokenizers how it spells;
# a recipe where these are not $corpus/train and the students' tokenisers sets them afterwards.
# shellcheck shell=bash disable=SC2154

[[ "$targets $subset" != "synth_mono all" ]] || refuse "--targets synth_mono wants sentences outside --subset; make it a number"
src=${langs%-*} tgt=${langs#*-} langs_list="[${langs/-/, }]"
shared=../../../conf conf=${conf:-conf/$preset}
is_there "--decode $decode" "$shared/decode_$decode.yaml"
is_there "--student $student" "$shared/student_$student.yaml"
[[ -z "${choose:-}" ]] || is_there "--choose $choose" "$shared/targets_$choose.yaml"
for set in ${corpus:+train dev test}; do
    is_there "--corpus $corpus --langs $langs" "$corpus/$set/text.$src" "$corpus/$set/text.$tgt"
done
is_there "--conf $conf" "$conf/student.yaml"
downloads=${downloads:-$workdir/downloads}
name=${corpus:+${corpus##*/}-}$langs-$preset
data=$workdir/data/$name exp=$workdir/exp/$name corpus=${corpus:-$workdir/data/$name/corpus}
pool=$corpus/train teacher_pool=$corpus/train teacher_tokenizers=$data/${apart}tokenizers

taught=${teacher//[^A-Za-z0-9.-]/_} teacher_dir=$exp/teacher_$taught store=$teacher_dir/$decode
chosen=${taught}_$decode${choose:+_$choose} rest=$data/rest_$apart$subset
real=train_$apart${subset}_real synth=train_$apart${subset}_synth_$chosen mono=train_$apart${subset}_synth_mono_$chosen
train=${targets/#synth_mono/mono} train=${!train} student_dir=$exp/mt_${student}_$train${seed:+_seed$seed}
labels="{targets: $targets${choose:+ $choose}, student: $student${seed:+ seed $seed}, subset: ${subset/all/null}}"

pair=(--src "$src" --tgt "$tgt") tokenizers=(--tokenizers "$data/${apart}tokenizers") gpu=(--ngpu "$ngpu")
search=("${gpu[@]}" --config "$shared/decode_$decode.yaml")

prepare_corpora() { # prepare_corpora SET...: stage 1: fetch and check; clean train, without what is in dev or these test sets
    local set held_out=$corpus/dev
    for set; do
        held_out+=", $corpus/$set"
    done
    run 1 "bring the corpora in" synthst prepare_bitext "${pair[@]}" --out "$corpus" --downloads "$downloads" \
        ${mtdata:+--mtdata "$mtdata"} --config "$conf/corpora.yaml"
    run 1 "clean the training text" synthst filter --data "$corpus/raw" --out "$corpus/train" "${pair[@]}" \
        --filters "$shared/filters_wmt.yaml" --held_out "[$held_out]"
}

choose_subset() { # stage 1
    run 1 "choose the subset" synthst subset --data "$pool" --out "$data/$real" --size "$subset" --rest "$rest" \
        --config "$conf/subset.yaml"
}

make_teacher() { # stage 2: the tokenisers of all training text, and the teacher
    run 2 "tokenisers" synthst train_tokenizers --data "$pool" --out "$data/${apart}tokenizers" --langs "$langs_list" \
        --shared "$shared_vocabulary" --config "$conf/tokenizers.yaml"
    uses real || run 2 "teacher" synthst teacher --teacher "${teacher/#general/own}" --out "$teacher_dir" "${pair[@]}" \
        --data "$teacher_pool" --dev "$corpus/dev" --tokenizers "$teacher_tokenizers" --sources "$data/$real" "${gpu[@]}" \
        --num_nodes "$num_nodes" --config "$conf/teacher.yaml"
}

replace_targets() { # stages 3 to 5: the teacher's translations of the subset, and of sources outside it
    local translate=(synthst decode --teacher "$teacher_dir" --out "$store" "${pair[@]}" "${search[@]}") replace=(--store "$store")
    replace+=("${pair[@]}" ${choose:+--config "$shared/targets_$choose.yaml" --held_out "[$corpus/dev, $corpus/test]"})
    uses real && return
    run 3 "decode the subset" "${translate[@]}" --data "$data/$real"
    ! uses synth_mono || run 3 "decode the rest" "${translate[@]}" --data "$rest"
    run 4 "replace targets" synthst replace_targets --data "$data/$real" --out "$data/$synth" "${replace[@]}"
    ! uses synth_mono || run 5 "expand with source-only text" synthst expand_targets --base "$data/$synth" \
        --extra "$rest" --out "$data/$mono" "${replace[@]}"
}

write_tokens() { # stage 6
    local set
    for set in "$data/$train" "$corpus/dev"; do
        run 6 "tokens of ${set##*/}" synthst tokens --data "$set" --out "$data/${apart}tokens_${set##*/}" --langs "$langs_list" \
            "${tokenizers[@]}"
    done
}

train_student() { # stage 8
    run 8 "train the student" synthst train --tokens "$data/${apart}tokens_$train" --valid_tokens "$data/${apart}tokens_dev" \
        "${tokenizers[@]}" --out "$student_dir" "${pair[@]}" --config "$shared/student_$student.yaml" \
        --config "$conf/student.yaml" "${gpu[@]}" --num_nodes "$num_nodes" ${seed:+--training.seed "$seed"} --labels "$labels"
}

decode_test_sets() { # stage 10: by the student, and by the teacher if there is one
    local models=$student_dir
    uses real || models+=", $teacher_dir"
    run 10 "decode the test sets" synthst translate_sets --models "[$models]" --data "$corpus" \
        --test_sets "$test_sets" "${pair[@]}" "${search[@]}"
}

score() { # stage 11: RESULTS.md
    run 11 "score" synthst results --exp "$exp" --data "$corpus" --test_sets "$test_sets" "${pair[@]}" \
        --out "$workdir/RESULTS.md" --title "$title, $langs, preset $preset" --command "$started_with"
}

analyse_student() { # stages 12 and 13: the entropy of its predictions; an export, and the student with its card in one file
    run 12 "entropy on the test set" synthst entropy --model "$student_dir" --data "$corpus/test" "${pair[@]}" "${search[@]}" \
        --out "$student_dir/analysis/entropy_test"
    run 13 "export the student" synthst export --model "$student_dir" --out "$student_dir/export"
    pack_student
}
