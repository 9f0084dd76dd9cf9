# Corpora of several domains without each other's dev and test sentences, for egs/*/mt1/run.sh.
#
# Source it after tools/recipe.sh and path.sh; it wants $data, $conf, $shared, $workdir, $deb_dir and the array pair.
# shellcheck shell=bash disable=SC2154

prepare_domains() { # prepare_domains NAME...: stage 1: $data/<name>/train, dev and test of each
    local name
    for name; do
        run 1 "$name" synthst "prepare_$name" "${pair[@]}" --out "$data/$name" --downloads "$workdir/downloads" \
            ${deb_dir:+--deb_dir "$deb_dir"} --config "$conf/$name.yaml"
    done
}

join_apart() { # join_apart OUT CORPUS...: stage 1: all their train in one, without what is in dev or test of any of ${corpora[@]}
    local out=$1 corpus parents="" held_out=""
    shift
    for corpus; do
        parents+="${parents:+, }$corpus/train"
    done
    for corpus in "${corpora[@]}"; do
        held_out+="${held_out:+, }$corpus/dev, $corpus/test"
    done
    run 1 "${out##*/}" synthst combine --parents "[$parents]" --out "${out}_all"
    run 1 "${out##*/} without dev and test sentences" synthst filter --data "${out}_all" --out "$out" "${pair[@]}" \
        --held_out "[$held_out]" --filters "$shared/filters_held_out.yaml"
}

prepare_general() { # stage 1: what a general teacher learns from, all ${corpora[@]}; and the first of them apart from the others
    prepare_domains descriptions handbook wesnoth
    join_apart "$data/general" "${corpora[@]}"
    join_apart "$data/apart" "${corpora[0]}"
    run 2 "general tokenisers" synthst train_tokenizers --data "$data/general" --out "$data/tokenizers_general" \
        --langs "[${langs/-/, }]" --config "$conf/tokenizers.yaml"
}
