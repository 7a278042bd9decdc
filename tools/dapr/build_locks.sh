#!/usr/bin/env bash
# Builds a daprd with Redis' component for locks beside the others, which build.sh has built before: what it needs is compiled then.
#   tools/dapr/build_locks.sh [JOBS]
set -euo pipefail
cd "$(dirname "$0")"
jobs=${1:-$(nproc)}
source ./once.sh

folder=$(readlink -f ../../build/dapr)
version=${folder##*/}
begin -locks go.mod go.sum build_locks.sh locks/main.go
build daprd-with-locks "-X github.com/dapr/dapr/pkg/buildinfo.version=$version -X github.com/dapr/kit/logger.DaprVersion=$version" -tags stablecomponents ./locks
complete
