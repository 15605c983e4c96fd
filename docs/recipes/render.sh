#!/usr/bin/env bash
# Render recipes as anybody would, with a daemon on a share of its own, and take their pictures.
# Usage: docs/recipes/render.sh ATELIERD [RECIPE...] (minutes); SETTINGS goes into its configuration.
set -euo pipefail
atelierd=$1
shift
recipes=$(dirname "$(realpath "$0")")
examples=$recipes/../../config/examples
if (($# == 0)); then
  mapfile -t names < <(basename -s .yaml "$recipes"/*.yaml)
  set -- "${names[@]}"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
$atelierd init share --config atelierd.yaml --state state
if [ -n "${SETTINGS:-}" ]; then
  printf '%b\n' "$SETTINGS" >> atelierd.yaml
fi
cp "$recipes"/tiles.jpg "$examples"/skyline.jpg "$examples"/whirls.jpg share/inbox/
for name; do
  cp "$recipes/$name.yaml" share/inbox/
done
$atelierd run --drain --config atelierd.yaml
for name; do
  # The result has the title of the pair, snapshots a number after it.
  find "share/outbox/$name" -maxdepth 1 -name '*.jpg' ! -name '*-[0-9][0-9][0-9][0-9].jpg' \
    ! -name contact-sheet.jpg -exec cp {} "$recipes/$name.jpg" \;
done
