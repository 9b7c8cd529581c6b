#!/bin/sh
# SPDX-License-Identifier: MIT
# quoted.sh SOURCE PAGE: the page quotes the source word for word, without its first line.
set -eu
source=$1 page=$2
sed 1d "$source" | awk '
    NR == FNR { wanted = wanted $0 "\n"; next }
    /^```c$/ { quoting = 1; text = ""; next }
    /^```$/ { if (quoting && text == wanted) found = 1; quoting = 0 }
    quoting { text = text $0 "\n" }
    END { if (!found) { print FILENAME " does not quote it as it is"; exit 1 } }
' - "$page"
