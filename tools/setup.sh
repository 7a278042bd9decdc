#!/usr/bin/env bash
# Brings a bare Debian 12 (with cargo, go, node and root or sudo) to where the project builds. Every step is skipped when it is done.
#
#   Debian packages   tools/packages.txt
#   Python            tools/requirements.txt, pinned with hashes, in an environment under ~/.cache/trilby, linked as build/venv
#   llhttp            tools/llhttp.txt, unpacked under ~/.cache/trilby, linked as build/llhttp
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${TRILBY_CACHE:-$HOME/.cache/trilby}
mkdir -p build "$cache"

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
[ -t 1 ] && [ -z "${NO_COLOR:-}" ] || say() { printf '==> %s\n' "$*"; }
die() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

# ---- toolchains that come with the machine
rustc_minor=$(rustc --version 2>/dev/null | sed -nE 's/^rustc 1\.([0-9]+)\..*/\1/p')
[ -n "$rustc_minor" ] || die "cargo and rustc 1.95 or newer are needed; install them with rustup"
[ "$rustc_minor" -ge 95 ] || die "rustc 1.$rustc_minor is too old for the engine; 1.95 or newer is needed: rustup update"

# ---- Debian packages
missing=()
while read -r package; do
  dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done < <(grep -v '^#' tools/packages.txt)
if [ ${#missing[@]} -gt 0 ]; then
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "these Debian packages are missing and there is no sudo: ${missing[*]}"
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
fi

# ---- Python environment, one for each state of the requirements, so that clones share it
venv=$cache/venv-$(sha256sum tools/requirements.txt | cut -c1-12)
if [ ! -e "$venv/.complete" ]; then
  say "installing Python packages (tools/requirements.txt)"
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r tools/requirements.txt
  touch "$venv/.complete"
fi
ln -sfn "$venv" build/venv

# ---- llhttp
llhttp=$cache/llhttp-$(sha256sum tools/llhttp.txt | cut -c1-12)
if [ ! -e "$llhttp/include/llhttp.h" ]; then
  say "fetching llhttp (tools/llhttp.txt)"
  fetched=$(mktemp -d)
  trap 'rm -rf "$fetched"' EXIT
  "$venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --no-binary :all: --require-hashes \
    -r tools/llhttp.txt -d "$fetched"
  tar -xzf "$fetched"/httptools-*.tar.gz -C "$fetched"
  rm -rf "$llhttp"
  mv "$fetched"/httptools-*/vendor/llhttp "$llhttp"
fi
ln -sfn "$llhttp" build/llhttp
