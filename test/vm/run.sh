#!/bin/sh
# Tests in real VMs: makes what the guests need, which takes minutes the first time, then runs test/vm, or what is named.
set -eu
cd "$(dirname "$0")/../.."
sh src/setup/prepare.sh test
node dist/src/cli/main.js vm build test
if [ $# -eq 0 ]; then set -- test/vm; fi
exec node dist/test/run.js "$@"
