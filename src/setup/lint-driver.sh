#!/bin/sh
# Has the kernel's own tools, sparse and checkpatch.pl, look at the guest driver; fails when one has something to say
# that is no exception (src/vm/driver-lint.ts has those, with reasons). Both come from Debian, through the guests'
# cache: what is missing there is made first, from the network, as "virtwl vm build" does.
set -eu
cd "$(dirname "$0")/../.."
if [ ! -e dist/src/vm/driver-lint.js ]; then
    echo 'lint-driver: dist is not built: run "npm run build" first' >&2
    exit 1
fi
exec node dist/src/vm/driver-lint.js
