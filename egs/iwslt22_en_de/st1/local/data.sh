# Stage 1 of run.sh, a function for each kind of data. Every command says what is missing and where to put it.
# shellcheck shell=bash disable=SC2154,SC2034

read -ra translated <<<"$st"
read -ra transcribed <<<"${asr_only/#none/}"
read -ra iwslt_sets <<<"${iwslt/#none/}"
for name in "${translated[@]}"; do
    is_one_of "$name" mustc st_ted covost europarl_st || refuse "--st has '$name', wanted are some of: mustc st_ted covost europarl_st"
done
for name in "${transcribed[@]}"; do
    is_one_of "$name" librispeech tedlium commonvoice voxpopuli ||
        refuse "--asr_only has '$name', wanted are some of: librispeech tedlium commonvoice voxpopuli, or none"
done
((${#transcribed[@]})) || extra=""
[[ -n "$extra" ]] || ! uses synth_asr || refuse "--targets synth_asr wants speech that has only transcripts, but --asr_only is none"
needs_extra || transcribed=() # with a recogniser from elsewhere only synth_asr learns from it

texts=${general:-$corpus} # without texts of its own the general teacher learns from the speech's
indomain=$real # what the in-domain teacher learns from: the paper's MuST-C, if it is there
! is_one_of mustc "${translated[@]}" || indomain=$data/mustc_real
tests=(dev tst-COMMON "${iwslt_sets[@]}")
spoken=(dev tst-COMMON "${iwslt_sets[@]/%/_segments}")
test_audio=(--channel -1) # some lectures of tst2018 have two channels
[[ "$restore" == no ]] || expand_options=(--source_case restore --restorer "$data/restorer")

declare -A sources=([st_ted]=iwslt-corpus [europarl_st]=europarl-st/v1.1 [covost]=cv-corpus-4-2019-12-10/$src
    [librispeech]=LibriSpeech [tedlium]=TEDLIUM_release-3 [commonvoice]=commonvoice/$src [voxpopuli]=voxpopuli)
for name in mustc dev tst-COMMON; do sources[$name]=MUSTC_v2.0; done
for name in "${iwslt_sets[@]}"; do sources[$name]=IWSLT; done
translations=$source/covost_v2.${src}_$tgt.tsv

check_sources() { # all that is missing, before anything is read
    local name places=""
    for name in dev tst-COMMON "${iwslt_sets[@]}" "${translated[@]}" "${transcribed[@]}"; do
        places+=", $name: '$source/${sources[$name]}'"
    done
    run 1 "are all corpora there" synthst check_sources --sources "{${places#, }}" --translations "$translations" \
        --data "$data" --conf "$conf" "${pair[@]}"
}

prepare_test_sets() {
    local set
    for set in dev tst-COMMON; do
        run 1 "MuST-C $set" synthst prepare_mustc --source "$source/${sources[$set]}" --out "$corpus/$set" --part "$set" \
            "${pair[@]}" --config "$conf/mustc.yaml"
    done
    for set in "${iwslt_sets[@]}"; do
        run 1 "IWSLT $set" synthst prepare_iwslt --source "$source/${sources[$set]}" --out "$corpus/$set" --set_name "$set" \
            "${pair[@]}" --config "$conf/iwslt.yaml"
    done
}

prepare_translated() {
    local name
    for name in "${translated[@]}"; do
        case "$name" in
            mustc) set -- prepare_mustc ;;
            covost) set -- prepare_covost --translations "$translations" ;;
            *) set -- prepare_mustc --layout "$name" ;;
        esac
        set -- "$@" --source "$source/${sources[$name]}"
        run 1 "$name" synthst "$@" --part train --out "$data/$name" "${pair[@]}" --config "$conf/$name.yaml"
    done
    run 1 "all translated speech" synthst combine --parents "$(list "${translated[@]/#/$data/}")" --out "$data/translated"
    local apart=("${pair[@]}" --held_out "$(list "${tests[@]/#/$corpus/}")" --filters "$shared/filters_mild.yaml")
    run 1 "without dev and test sentences" synthst filter --data "$data/translated" --out "$real" "${apart[@]}"
    [[ "$indomain" == "$real" ]] || run 1 "MuST-C alone, without them" synthst filter --data "$data/mustc" --out "$indomain" "${apart[@]}"
}

prepare_transcribed() {
    local name
    needs_extra || return 0
    for name in "${transcribed[@]}"; do
        case "$name" in
            tedlium | commonvoice) set -- "prepare_$name" ;;
            *) set -- prepare_asr --corpus "$name" ;;
        esac
        set -- "$@" --source "$source/${sources[$name]}"
        [[ "$name" != commonvoice ]] || ! is_one_of covost "${translated[@]}" || set -- "$@" --without "$data/covost"
        run 1 "$name" synthst "$@" --out "$data/$name" --lang "$src" --config "$conf/$name.yaml"
    done
    run 1 "all transcribed speech" synthst combine --parents "$(list "${transcribed[@]/#/$data/}")" --out "$extra" \
        --langs "[$src]"
    [[ "$restore" == no ]] || ! uses synth_asr || run 1 "what restores case and punctuation" synthst train_restorer \
        --text "$real/text.$src" --out "$data/restorer"
}
