#!/bin/sh
# The demonstration: prepares the checkout, then shows the whole path on this machine. See `virtwl demo --help`.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)

profile=demo
for word in "$@"; do
    [ "$word" != --vms ] || profile=demo-vms
done
sh "$here/src/setup/prepare.sh" "$profile"
exec node "$here/dist/bundle/cli/main.js" demo "$@"
