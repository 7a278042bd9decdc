#!/usr/bin/env bash
# Builds Dapr's command line, `dapr`, beside the programs that ../build.sh has built before, once for each state of this folder. On its own and not one of
# those: it has modules of its own, and what changes here builds none of them again.
#   tools/dapr/cli/build.sh [JOBS]
set -euo pipefail
cd "$(dirname "$0")"
jobs=${1:-$(nproc)}
source ../once.sh

folder=$(readlink -f ../../../build/dapr)
version=$(sed -nE 's|^require github\.com/dapr/cli v([0-9.]+)$|\1|p' go.mod)
begin -cli go.mod go.sum build.sh
build dapr "-X main.version=$version" github.com/dapr/cli
complete
