#!/bin/sh
# SPDX-License-Identifier: MIT
# test_summary.sh SUMMARY CTEST: what ctest reports of tests that end in every way
# there is, counted. The tests are scripts that print what cmocka would.
set -eu
summary=$1 ctest=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# script NAME: what stdin says, as a test of that name.
script()
{
    { echo '#!/bin/sh'; cat; } >"$work/$1"
    chmod +x "$work/$1"
    echo "add_test($1 \"$work/$1\")" >>"$work/CTestTestfile.cmake"
}

property()
{
    echo "set_tests_properties($1 PROPERTIES $2)" >>"$work/CTestTestfile.cmake"
}

check()
{
    "$summary" count some 7 "$work/xml" "$status" >"$work/counted"
    diff "$work/wanted" "$work/counted"
}

run()
{
    status=0
    (cd "$work" && "$ctest" -j 1 --output-junit "$work/xml" --test-output-size-passed 1000000 \
        >"$work/log" 2>&1) || status=$?
}

script plain <<'END'
echo "a command's <words> & \"others\""
END
script suite <<'END'
cat <<'SAID'
[==========] Running 3 test(s).
[ RUN      ] one
[       OK ] one
[ RUN      ] two
no terminal here
[  SKIPPED ] two
[ RUN      ] three
[       OK ] three
[==========] 3 test(s) run.
[  PASSED  ] 2 test(s).
[  SKIPPED ] 1 test(s), listed below:
[  SKIPPED ] two

 1 SKIPPED TEST(S)
SAID
END
script away <<'END'
echo "this system has no such thing"
exit 77
END
property away 'SKIP_RETURN_CODE 77'
cat >"$work/wanted" <<'END'
skipped some: suite two: no terminal here
skipped some: away: this system has no such thing
total some 3 0 2 7
END
run
[ "$status" -eq 0 ]
check
"$summary" show "$work/counted" >"$work/shown"
tail -n 1 "$work/shown" | grep -x '3 passed, 0 failed, 2 skipped'

script failing <<'END'
cat <<'SAID'
[==========] Running 2 test(s).
[ RUN      ] good
[       OK ] good
[ RUN      ] bad
[  ERROR   ] --- 1 < 0
[   LINE   ] --- test.c:2: error: Failure!
[  FAILED  ] bad
[==========] 2 test(s) run.
[  PASSED  ] 1 test(s).
[  FAILED  ] 1 test(s), listed below:
[  FAILED  ] bad

 1 FAILED TEST(S)
SAID
exit 1
END
script crashing <<'END'
echo '[ RUN      ] first'
echo '[       OK ] first'
kill -SEGV $$
END
script sleeping <<'END'
exec sleep 20
END
property sleeping 'TIMEOUT 1'
echo "add_test(absent \"$work/absent\")" >>"$work/CTestTestfile.cmake"
cat >"$work/wanted" <<'END'
skipped some: suite two: no terminal here
skipped some: away: this system has no such thing
failed some: failing bad
failed some: crashing
failed some: sleeping
failed some: absent: Unable to find executable
total some 5 4 2 7
END
run
[ "$status" -ne 0 ]
check
if "$summary" show "$work/counted" >"$work/shown"; then
    echo "FAILED: a summary with failures is a success"
    exit 1
fi
tail -n 1 "$work/shown" | grep -x '5 passed, 4 failed, 2 skipped'

# A build that failed, and a run of nothing, are no success.
printf 'failed some: did not build\ntotal some 0 1 0 7\n' >"$work/wanted"
: >"$work/xml"
status=1
check
echo 'total some 0 0 0 1' >"$work/counted"
if "$summary" show "$work/counted" >"$work/shown"; then
    echo "FAILED: no test at all is a success"
    exit 1
fi
echo "every way for a test to end is counted"
