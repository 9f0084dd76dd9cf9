# Stage 1 of run.sh, a function for each kind of data. Every command says what is missing and where to put it.
# shellcheck shell=bash disable=SC2154,SC2034

read -ra translated <<<"$st"
read -ra transcribed <<<"$asr_only"
read -ra iwslt_sets <<<"${iwslt/#none/}"
for name in "${translated[@]}"; do
    is_one_of "$name" mustc st_ted covost europarl_st || refuse "--st has '$name', wanted are some of: mustc st_ted covost europarl_st"
done
for name in "${transcribed[@]}"; do
    is_one_of "$name" librispeech tedlium commonvoice voxpopuli ||
        refuse "--asr_only has '$name', wanted are some of: librispeech tedlium commonvoice voxpopuli"
done

texts=${general:-$corpus} # without texts of its own the general teacher learns from the speech's
tests=(dev tst-COMMON "${iwslt_sets[@]}")
spoken=(dev tst-COMMON "${iwslt_sets[@]/%/_segments}")
test_audio=(--channel -1) # some lectures of tst2018 have two channels
[[ "$restore" == no ]] || expand_options=(--source_case restore --restorer "$data/restorer")

prepare_test_sets() {
    local set
    for set in dev tst-COMMON; do
        run 1 "MuST-C $set" synthst prepare_mustc --source "$source/MUSTC_v2.0" --out "$corpus/$set" --part "$set" \
            "${pair[@]}" --config "$conf/mustc.yaml"
    done
    for set in "${iwslt_sets[@]}"; do
        run 1 "IWSLT $set" synthst prepare_iwslt --source "$source/IWSLT" --out "$corpus/$set" --set_name "$set" \
            "${pair[@]}" --config "$conf/iwslt.yaml"
    done
}

prepare_translated() {
    local name
    for name in "${translated[@]}"; do
        case "$name" in
            mustc) set -- prepare_mustc --source "$source/MUSTC_v2.0" ;;
            st_ted) set -- prepare_mustc --source "$source/iwslt-corpus" --layout st_ted ;;
            europarl_st) set -- prepare_mustc --source "$source/europarl-st/v1.1" --layout europarl_st ;;
            covost) set -- prepare_covost --source "$source/cv-corpus-4-2019-12-10/$src" \
                --translations "$source/covost_v2.${src}_$tgt.tsv" ;;
        esac
        run 1 "$name" synthst "$@" --part train --out "$data/$name" "${pair[@]}" --config "$conf/$name.yaml"
    done
    run 1 "all translated speech" synthst combine --parents "$(list "${translated[@]/#/$data/}")" --out "$data/translated"
    run 1 "without dev and test sentences" synthst filter --data "$data/translated" --out "$real" "${pair[@]}" \
        --held_out "$(list "${tests[@]/#/$corpus/}")" --filters "$shared/filters_mild.yaml"
}

prepare_transcribed() {
    local name
    for name in "${transcribed[@]}"; do
        case "$name" in
            tedlium) set -- prepare_tedlium --source "$source/TEDLIUM_release-3" ;;
            commonvoice) set -- prepare_commonvoice --source "$source/commonvoice/$src" ;;
            librispeech) set -- prepare_asr --corpus librispeech --source "$source/LibriSpeech" ;;
            voxpopuli) set -- prepare_asr --corpus voxpopuli --source "$source/voxpopuli" ;;
        esac
        [[ "$name" != commonvoice ]] || ! is_one_of covost "${translated[@]}" || set -- "$@" --without "$data/covost"
        run 1 "$name" synthst "$@" --out "$data/$name" --lang "$src" --config "$conf/$name.yaml"
    done
    run 1 "all transcribed speech" synthst combine --parents "$(list "${transcribed[@]/#/$data/}")" --out "$extra" \
        --langs "[$src]"
    [[ "$restore" == no ]] || run 1 "what restores case and punctuation" synthst train_restorer \
        --text "$real/text.$src" --out "$data/restorer"
}
