#!/bin/sh
# The demonstration: prepares the checkout, then shows the whole path on this machine. See `virtwl demo --help`.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)

profile=demo
for word in "$@"; do
    case $word in
    --vms) profile=demo-vms ;;
    --vnc | --vnc=*) profile=demo-vnc ;;
    esac
done
sh "$here/src/setup/prepare.sh" "$profile"
exec node "$here/dist/bundle/cli/main.js" demo "$@"
