#!/usr/bin/env bash
# Builds a daprd with Redis' component for locks beside the others, which build.sh has built before: what it needs is compiled then.
#   tools/dapr/build_locks.sh [JOBS]
set -euo pipefail
cd "$(dirname "$0")"
jobs=${1:-$(nproc)}

folder=$(readlink -f ../../build/dapr)
state=$(cat go.mod go.sum build_locks.sh locks/main.go | sha256sum | cut -c1-32)
exec 9> "$folder/.lock"
flock 9  # another clone may be at it
[ "$(cat "$folder/.complete-locks" 2>/dev/null)" != "$state" ] || exit 0

command -v go >/dev/null || { echo "dapr: go is needed (1.26 or newer)" >&2; exit 1; }
rm -f "$folder/.complete-locks"
echo '==> building daprd with locks'
CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -p "$jobs" -trimpath -tags stablecomponents \
  -ldflags "-s -w -X github.com/dapr/dapr/pkg/buildinfo.version=${folder##*/} -X github.com/dapr/kit/logger.DaprVersion=${folder##*/}" \
  -o "$folder/daprd-with-locks" ./locks
echo "$state" > "$folder/.complete-locks"
