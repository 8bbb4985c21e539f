#!/bin/sh
# The benchmark: prepares the checkout, builds its client, runs src/bench/bench.ts. Options are passed on.
set -eu
cd "$(dirname "$0")/../.."

case " $* " in
*' --vm '*) sh src/setup/prepare.sh bench-vms ;;
*) sh src/setup/prepare.sh bench ;;
esac
sh src/setup/bench-client.sh
exec node dist/src/bench/bench.js "$@"
