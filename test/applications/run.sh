#!/bin/sh
# Prepares the checkout as for the tests, then runs the suite of applications: what programs are there is what is run.
set -eu
cd "$(dirname "$0")/../.."

sh src/setup/prepare.sh test
exec node dist/test/applications/run.js "$@"
