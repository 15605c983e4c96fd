#!/usr/bin/env bash
# From nothing to a painted photo: a share, a running daemon, a dropped job file.
# Usage: demo.sh ATELIERD [FOLDER]
set -euo pipefail
atelierd=$(realpath "$1")
examples=$(dirname "$(realpath "$0")")
folder=${2:-demo}

mkdir -p "$folder"
cd "$folder"
if [ ! -e atelierd.yaml ]; then
  "$atelierd" init share --config atelierd.yaml --state state
fi
"$atelierd" weights fetch --config atelierd.yaml

"$atelierd" run --config atelierd.yaml &
daemon=$!
trap 'kill "$daemon" 2>/dev/null || true; wait "$daemon" 2>/dev/null || true' EXIT

name=skyline-$(date +%H%M%S)
cp "$examples"/skyline.jpg "$examples"/whirls.jpg share/inbox/
cp "$examples"/demo.yaml "share/inbox/$name.yaml"
echo "dropped $name.yaml into $PWD/share/inbox"

job=share/outbox/$name
until [ -e "$job/result.json" ] || [ -e "$job/error.txt" ]; do
  kill -0 "$daemon" || { echo "the daemon has ended; see above" >&2; exit 1; }
  sleep 0.5
done
kill "$daemon"
wait "$daemon" || true
trap - EXIT
if [ -e "$job/error.txt" ]; then
  cat "$job/error.txt" >&2
  exit 1
fi
echo
echo "The pictures, snapshots first:"
find "$PWD/$job" -name '*.png' | sort
