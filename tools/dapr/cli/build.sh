#!/usr/bin/env bash
# Builds Dapr's command line, `dapr`, beside the programs that ../build.sh has built before, once for each state of this folder. On its own and not one of
# those: it has modules of its own, and what changes here builds none of them again.
#   tools/dapr/cli/build.sh [JOBS]
set -euo pipefail
cd "$(dirname "$0")"
jobs=${1:-$(nproc)}

folder=$(readlink -f ../../../build/dapr)
version=$(sed -nE 's|^require github\.com/dapr/cli v([0-9.]+)$|\1|p' go.mod)
state=$(cat go.mod go.sum build.sh | sha256sum | cut -c1-32)
exec 9> "$folder/.lock"
flock 9  # another clone may be at it
[ "$(cat "$folder/.complete-cli" 2>/dev/null)" != "$state" ] || exit 0

command -v go >/dev/null || { echo "dapr: go is needed (1.26 or newer)" >&2; exit 1; }
rm -f "$folder/.complete-cli"
printf '==> building dapr, the command line, %s\n' "$version"
CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -p "$jobs" -trimpath -ldflags "-s -w -X main.version=$version" -o "$folder/dapr" github.com/dapr/cli
echo "$state" > "$folder/.complete-cli"
