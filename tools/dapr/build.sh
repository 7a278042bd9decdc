#!/usr/bin/env bash
# Builds the real Dapr (daprd, placement, scheduler, sentry) from the Go module proxy, once for each state of this folder, into
# ~/.cache/trilby/dapr/<version>, linked as build/dapr. A second run does nothing.
#   tools/dapr/build.sh [JOBS]
set -euo pipefail
cd "$(dirname "$0")"
jobs=${1:-$(nproc)}
programs=(daprd placement scheduler sentry)

version=$(sed -nE 's|^\s*github\.com/dapr/dapr v([0-9.]+)$|\1|p' go.mod)
folder=${TRILBY_CACHE:-$HOME/.cache/trilby}/dapr/$version
state=$(cat go.mod go.sum build.sh | sha256sum | cut -c1-32)
mkdir -p "$folder" ../../build
ln -sfn "$folder" ../../build/dapr

exec 9> "$folder/.lock"
flock 9  # another clone may be at it
[ "$(cat "$folder/.complete" 2>/dev/null)" != "$state" ] || exit 0

command -v go >/dev/null || { echo "dapr: go is needed (1.26 or newer)" >&2; exit 1; }
rm -f "$folder/.complete"
# daprd panics without a tag that says which components it has; these are those that Dapr calls stable.
for program in "${programs[@]}"; do
  printf '==> building %s %s\n' "$program" "$version"
  CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -p "$jobs" -trimpath -tags stablecomponents \
    -ldflags "-s -w -X github.com/dapr/dapr/pkg/buildinfo.version=$version -X github.com/dapr/kit/logger.DaprVersion=$version" \
    -o "$folder/$program" "github.com/dapr/dapr/cmd/$program"
done
echo "$state" > "$folder/.complete"
