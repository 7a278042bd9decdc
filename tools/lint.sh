#!/usr/bin/env bash
# Formatting, the order of the layers and static analysis. Needs the release preset configured (compile_commands.json).
#   tools/lint.sh [--style]     --style: without the static analysis, which takes long
set -euo pipefail
cd "$(dirname "$0")/.."
bin=build/venv/bin

mapfile -t sources < <(git ls-files --cached --others --exclude-standard '*.h' '*.cc')
"$bin/clang-format" --dry-run --Werror "${sources[@]}"
"$bin/python" tools/check_layers.py
[ "${1:-}" != --style ] || { echo "style: clean"; exit 0; }

# clang-tidy is slow, so a file whose preprocessed text and settings it has passed before is not read again.
passed=${TRILBY_CACHE:-$HOME/.cache/trilby}/tidy
mkdir -p "$passed"
tidy() {
  local file=$1 key command
  command=$(build/venv/bin/python - "$file" <<'PY'
import json, os, sys
for entry in json.load(open("build/release/compile_commands.json")):
    if os.path.samefile(os.path.join(entry["directory"], entry["file"]), sys.argv[1]):
        words = [w for w in entry["command"].split() if w != "ccache"]
        out = words.index("-o")
        print(" ".join(words[:out] + words[out + 2:] + ["-E", "-P"]))
        break
PY
  )
  [ -n "$command" ] || return 0
  key=$( (cd build/release && eval "$command"; cat ../../.clang-tidy ../../tools/requirements.in 2>/dev/null || true) | sha256sum | cut -c1-32)
  [ -e "$passed/$key" ] && return 0
  # The analyzer takes four fifths of the time, and in a test follows the paths of GoogleTest's macros; tests are run.
  # The same macros count as nesting.
  local checks=
  [[ $file != *_@(test|fuzz).cc ]] || checks=-clang-analyzer-*,-readability-function-size
  build/venv/bin/clang-tidy --quiet -p build/release --checks="$checks" "$file" 2> >(grep -vE 'warnings? generated|Suppressed|Use -(header|system)' >&2) || return 1
  touch "$passed/$key"
}
export -f tidy
export passed
printf '%s\n' "${sources[@]}" | grep '\.cc$' | xargs -P "$(nproc)" -I {} bash -c 'tidy {}'
echo "lint: clean"
