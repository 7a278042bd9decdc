#!/usr/bin/env bash
# Runs every fuzz target in BUILD for SECONDS each, two at a time, from the corpora kept in ~/.cache/trilby/corpus.
#   tools/fuzz.sh BUILD SECONDS
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1 seconds=$2
corpus=${TRILBY_CACHE:-$HOME/.cache/trilby}/corpus

run() {
  local target=$1 name
  name=$(basename "$target")
  mkdir -p "$corpus/$name" "$build/findings"
  if "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=16384 -verbosity=0 -print_final_stats=1 \
    -artifact_prefix="$build/findings/$name-" "$corpus/$name" > "$build/$name.log" 2>&1; then
    printf 'fuzz %-24s %s\n' "$name" "$(sed -nE 's/^stat::number_of_executed_units: +/inputs: /p' "$build/$name.log")"
  else
    tail -n 60 "$build/$name.log"
    printf 'fuzz %s: FAILED; the input is in %s/findings\n' "$name" "$build"
    return 1
  fi
}
export -f run
export build seconds corpus

mapfile -t targets < <(find "$build" -name '*_fuzz' -type f -perm -u+x | sort)
[ ${#targets[@]} -gt 0 ] || { echo "fuzz: no targets in $build" >&2; exit 1; }
printf '%s\n' "${targets[@]}" | xargs -P 2 -I {} bash -c 'run {}'
