#!/bin/sh
# Makes the packages in dist/package: npm's, and Debian's two. Then installs each in a bare Debian 13 that has Node.js and
# no compiler, and tries it there (test/setup/installed-package.ts).
#
#   sh src/setup/package.sh
set -eu
cd "$(dirname "$0")/../.."

sh src/setup/prebuilt.sh
. src/setup/registry.sh

rm -rf dist/package
mkdir -p dist/package
npm pack --silent --ignore-scripts --pack-destination dist/package
sh src/setup/debian-package.sh dist/package
# npm of its own, and a new one: Debian's brings hundreds of packages along, node-gyp among them, and older ones do not
# warn of what newer ones do.
npm_directory=$(fetched npm 11.19.1)
exec node --enable-source-maps dist/test/setup/installed-package.js dist/package "$npm_directory"
