#!/usr/bin/env bash
# Builds the Rust guest:  build.sh OUT.wasm
# Debian's rustc 1.63 brings a standard library for wasm32-wasi. It is unpacked under ~/.cache/trilby and not installed, so the machine's
# own Rust stays what it is; that one's cargo drives it. Skips what is done.
set -euo pipefail
out=$(realpath -m "$1")
cd "$(dirname "$0")"

if [ -e "$out" ] && [ -z "$(find Cargo.toml Cargo.lock build.sh rustc.sh src -newer "$out")" ]; then
  exit 0
fi

packages=(rustc libstd-rust-1.63 libstd-rust-dev libstd-rust-dev-wasm32 libllvm14)
cache=${TRILBY_CACHE:-$HOME/.cache/trilby}
export TRILBY_RUST_ROOT=$cache/rust-1.63
if [ ! -e "$TRILBY_RUST_ROOT/.complete" ]; then
  echo "rust-image: unpacking Debian's rustc 1.63 with its wasm32 standard library"
  unpacked=$(mktemp -d)
  trap 'rm -rf "$unpacked"' EXIT
  chmod 755 "$unpacked"
  (cd "$unpacked" && { apt-get download -q "${packages[@]}" || { apt-get update -q && apt-get download -q "${packages[@]}"; }; } > apt.log 2>&1) ||
    { cat "$unpacked/apt.log" >&2; exit 1; }
  rm -rf "$TRILBY_RUST_ROOT"
  for package in "$unpacked"/*.deb; do
    dpkg -x "$package" "$TRILBY_RUST_ROOT"
  done
  touch "$TRILBY_RUST_ROOT/.complete"
fi

echo "rust-image: building (a minute or two the first time)"
export RUSTC=$PWD/rustc.sh CARGO_TARGET_DIR=$cache/rust-image-target CARGO_TARGET_WASM32_WASI_LINKER=wasm-ld-14
cargo build --quiet --release --locked --target wasm32-wasi
mkdir -p "$(dirname "$out")"
cp "$CARGO_TARGET_DIR/wasm32-wasi/release/rust-image.wasm" "$out"
touch "$out"
