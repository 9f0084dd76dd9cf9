#!/usr/bin/env bash
# LibreOffice's help texts: a small MT student on a teacher's translations, or on the human references.
#
# Usage: ./run.sh [--stage N] [--stop_stage M] [--option value ...]      Paths are relative to this folder.
#   --langs en-de         en-{de,es,fr,ru} or a reverse, e.g. de-en
#   --targets synth       real (references) | synth (the teacher's) | synth_mono (and those of sources outside --subset)
#   --student 2x2         2x2 | 6x6 | 24x6 encoder x decoder layers
#   --subset 4000         training sentences whose references the student may see, or all
#   --teacher own         own (trained on all help texts) | general (on other domains, too) | one taken:
#                         espnet:DIR ct2:DIR hf:NAME llm:YAML file:TSV
#   --decode beam4        how the teacher searches: conf/decode_<name>.yaml at the top of the repository
#   --choose NAME         which translations: conf/targets_<name>.yaml there (mbr, mild, strict); by default the best scored
#   --test_sets "[test]"  data directories beside or relative to the corpus, "[test, ../handbook/test]" (with --teacher
#                         general), or sacreBLEU's names
#   --preset full         full (the paper's width, for a GPU) | mini (minutes on two CPU cores)
#   --corpus DIR          your own train, dev and test data directories, in any languages, instead of the help texts
#   --deb_dir DIR         .deb files, where there is no apt
#   --conf DIR (by default conf/<preset>)   --workdir . (for data, exp and RESULTS.md)   --seed N (of the training)
#   --ngpu 0   --num_nodes 1   --licence NAME (of the packed student)   --dry_run true (the plan; --dry_run alone: the commands)
# Stages: 1 prepare data, 2 teacher, 3 decode the sources, 4 replace targets, 5 expand with source-only text, 6 tokens,
#   8 train the student, 10 decode the test sets, 11 score, 12 entropy, 13 export and pack the student (7, 9: nothing here)
cd "$(dirname "$0")" || exit 1
options="langs targets student subset teacher decode choose test_sets preset corpus conf ngpu seed deb_dir workdir"
langs=en-de targets=synth student=2x2 subset=4000 teacher=own decode=beam4 choose="" test_sets="[test]" preset=full
corpus="" downloads="" conf="" ngpu=0 seed="" deb_dir="" workdir=.
# shellcheck disable=SC2034  # recipe.sh reads the choices
choices_targets="real synth synth_mono" choices_student="2x2 6x6 24x6" choices_preset="mini full" \
    choices_subset="all NUMBER" choices_ngpu=NUMBER choices_teacher="own general espnet:* ct2:* hf:* llm:* file:*"
. ../../../tools/recipe.sh; . ./path.sh
corpus=${corpus%"${corpus##*[!/]}"} # without slashes at the end
[[ "$langs" =~ ^[^-]+-[^-]+$ ]] || refuse "--langs is '$langs', wanted are two languages, such as en-de"
[[ -n "$corpus" ]] || is_one_of "$langs" en-{de,es,fr,ru} {de,es,fr,ru}-en ||
    refuse "--langs is '$langs', wanted is one of:" en-{de,es,fr,ru} {de,es,fr,ru}-en
# shellcheck disable=SC2034  # mt1.sh reads them
title=${corpus:-LibreOffice help} title=${title##*/} shared_vocabulary=true apart=""
[[ "$langs" != *ru* ]] || shared_vocabulary=false
[[ "$teacher" != general ]] || apart=apart_ # students then learn from what is in no domain's test set
. ../../../tools/mt1.sh; . ../../../tools/domains.sh

[[ "$corpus" != "$data/corpus" ]] || run 1 "prepare data" synthst prepare_libreoffice "${pair[@]}" --out "$corpus" \
    --downloads "$downloads" ${deb_dir:+--deb_dir "$deb_dir"} --config "$conf/prepare.yaml"
if [[ "$teacher" == general ]]; then
    corpora=("$corpus" "$data"/{descriptions,handbook,wesnoth})
    prepare_general # 1, 2
    # shellcheck disable=SC2034
    pool=$data/apart teacher_pool=$data/general teacher_tokenizers=$data/tokenizers_general
fi
choose_subset     # 1
make_teacher      # 2
replace_targets   # 3, 4, 5
write_tokens      # 6
train_student     # 8
decode_test_sets  # 10
score             # 11
analyse_student   # 12, 13
