#!/bin/sh
# The test command: prepares the checkout, then runs every stage of test/run.ts, or only the test files named.
#
#   npm test                                  everything
#   npm test -- test/allocator test/system/fd.test.ts   only these files or directories
set -eu
cd "$(dirname "$0")/.."

if ! sh src/setup/prepare.sh test; then
    # The closing line of a run that could not begin.
    echo '0 passed, 1 failed'
    exit 1
fi
exec node dist/test/run.js "$@"
