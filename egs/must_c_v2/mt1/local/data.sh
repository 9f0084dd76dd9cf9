# Stage 1 of run.sh, a function for each kind of data.
# shellcheck shell=bash disable=SC2154

check_sources() { # all that is missing, before anything is read
    local set place lacking=""
    [[ -z "$dry_run" && "$stage" == 1 ]] || return 0
    for set in train dev; do
        [[ -d "$corpus/$set" ]] || lacking+="
  $corpus/$set (general texts: make them with ../../wmt21_en_de/mt1/run.sh --preset $preset --stop_stage 1, or give --corpus DIR)"
    done
    for set in train dev tst-COMMON; do
        place=$source/MUSTC_v2.0/$langs/data/$set/txt
        [[ -d "$place" || -d "$domain/$set" ]] || lacking+="
  $place (MuST-C v2: fill in the form at https://mt.fbk.eu/must-c/, and unpack it into $source/MUSTC_v2.0; its audio is not wanted)"
    done
    [[ -z "$lacking" ]] || { echo "${0##*/}: stage 1 lacks:$lacking" >&2; exit 1; }
}

prepare_talks() { # MuST-C's sets
    local set
    for set in train dev tst-COMMON; do
        run 1 "MuST-C $set" synthst prepare_mustc --source "$source/MUSTC_v2.0" --out "$domain/$set" --part "$set" "${pair[@]}" \
            --audio false --config "$conf/mustc.yaml"
    done
}

leave_out_held_out() { # of talks and of general texts what is in a dev or test set; choose how much the student learns from
    local apart=("${pair[@]}" --held_out "[$corpus/dev, $domain/dev, $domain/tst-COMMON]")
    apart+=(--filters "$shared/filters_held_out.yaml")
    run 1 "MuST-C without dev and test sentences" synthst filter --data "$domain/train" --out "${domain}_all" "${apart[@]}"
    run 1 "choose the talks" synthst subset --data "${domain}_all" --out "${domain}_real" --rest "${domain}_rest" \
        --config "$conf/mustc_subset.yaml"
    run 1 "general texts without them" synthst filter --data "$corpus/train" --out "$general_data" "${apart[@]}"
    run 1 "choose the general texts" synthst subset --data "$general_data" --out "${texts}_real" --size "$subset" \
        --rest "$data/wmt_rest_$subset"
}
