# What the scripts that build programs of Dapr have in common: each builds into $folder, once for each state of the files that its programs are made of.
# Sourced by them, in the folder of their go.mod.

# begin MARK FILE...: ends the script where the programs of MARK are there, built from these files (and this one) as they are now.
begin() {
  mark=$folder/.complete$1
  state=$(cat "${BASH_SOURCE[0]}" "${@:2}" | sha256sum | cut -c1-32)
  exec 9> "$folder/.lock"
  flock 9  # another clone may be at it
  [ "$(cat "$mark" 2>/dev/null)" != "$state" ] || exit 0
  command -v go >/dev/null || { echo "dapr: go is needed (1.26 or newer)" >&2; exit 1; }
  rm -f "$mark"
}

# build PROGRAM LDFLAGS ARGUMENT...: one of them.
build() {
  echo "==> building $1"
  CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -p "$jobs" -trimpath -ldflags "-s -w $2" -o "$folder/$1" "${@:3}"
}

complete() {
  echo "$state" > "$mark"
}
