#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh PAGE: explores the models, and compares what comes of it with what the page says.
# The numbers of states and depths are those of one version of Spin, which the page names.
set -u
here=$(dirname "$0") page=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$here/explore.sh" >"$work/said"
status=$?
cat "$work/said"
[ "$status" -eq 0 ] || exit "$status"
# shellcheck disable=SC2016 # not for the shell
awk '/^\$ tests\/model\/explore\.sh$/ { told = 1; next } /^```$/ { told = 0 } told' "$page" >"$work/told"
version=$(spin -V | sed 's/^Spin Version \([0-9.]*\).*/\1/')
if ! grep -q "Spin $version" "$page"; then
    echo "the page's numbers are not of Spin $version, and not compared"
    for file in said told; do
        sed 's/[0-9][0-9]* states/states/; s/at depth [0-9]*/at depth/' "$work/$file" >"$work/stable"
        mv "$work/stable" "$work/$file"
    done
fi
diff "$work/told" "$work/said" && exit 0
echo "FAILED: $page, left, does not say what was found, right"
exit 1
