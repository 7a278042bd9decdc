#!/usr/bin/env bash
# Builds the real Dapr (daprd, placement, scheduler, sentry) from the Go module proxy, once for each state of this folder, into
# ~/.cache/trilby/dapr/<version>, linked as build/dapr. A second run does nothing.
#   tools/dapr/build.sh [JOBS]
set -euo pipefail
cd "$(dirname "$0")"
jobs=${1:-$(nproc)}
source ./once.sh

version=$(sed -nE 's|^\s*github\.com/dapr/dapr v([0-9.]+)$|\1|p' go.mod)
folder=${TRILBY_CACHE:-$HOME/.cache/trilby}/dapr/$version
mkdir -p "$folder" ../../build
ln -sfn "$folder" ../../build/dapr

begin "" go.mod go.sum build.sh
# daprd panics without a tag that says which components it has; these are those that Dapr calls stable.
for program in daprd placement scheduler sentry; do
  build "$program" "-X github.com/dapr/dapr/pkg/buildinfo.version=$version -X github.com/dapr/kit/logger.DaprVersion=$version" \
    -tags stablecomponents "github.com/dapr/dapr/cmd/$program"
done
complete
