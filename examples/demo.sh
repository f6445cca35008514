#!/bin/sh
# One table, one model, three coordinates: after the same number of steps one descent is still near
# its start, one is on its way, and one has arrived.
set -eu
: "${STEEPEST:=steepest}"
: "${PYTHON:=python3}"
steps=200

for coordinates in none standardize orthonormal; do
    echo "$steps steps of steepest descent on sample:diabetes with --precondition $coordinates"
    "$STEEPEST" fit sample:diabetes --test-fraction 0.25 --seed 0 --optimizer sgd --lr auto --epochs "$steps" \
        --precondition "$coordinates" --out "runs/demo-$coordinates" --overwrite --quiet
done

echo
echo "The defaults, on the same table: steepest fit sample:diabetes --test-fraction 0.25"
"$STEEPEST" fit sample:diabetes --test-fraction 0.25 --seed 0 --out runs/demo-default --overwrite

echo
"$PYTHON" "$(dirname "$0")/compare_runs.py" runs/demo-none runs/demo-standardize runs/demo-orthonormal runs/demo-default

echo
echo "Every picture of the last run, and how to do it again, on one page: runs/demo-default/report.html"
