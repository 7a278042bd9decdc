#!/usr/bin/env bash
# Debian's rustc 1.63 as a present-day cargo calls it: without the options that came after it.
set -euo pipefail
arguments=()
while [ $# -gt 0 ]; do
  case $1 in
    --check-cfg) shift ;;
    --check-cfg=* | --print=split-debuginfo) ;;
    *) arguments+=("$1") ;;
  esac
  shift
done
root=$TRILBY_RUST_ROOT/usr
LD_LIBRARY_PATH=$root/lib/x86_64-linux-gnu:$root/lib exec "$root/bin/rustc" --sysroot "$root" "${arguments[@]}"
