#!/bin/sh
# Builds the benchmark's C programs to build/bench: its client and the relay that is its floor. Does nothing when both are
# newer than their sources.
set -eu
cd "$(dirname "$0")/../.."

built=build/bench/relay # the last to be built
if [ -e build/bench/client ] && [ -e "$built" ] && [ -z "$(find src/bench -name '*.[ch]' -newer "$built")" ] &&
    [ -z "$(find "$0" -newer "$built")" ]; then
    exit 0
fi

mkdir -p build/bench
protocol=/usr/share/wayland-protocols/stable/xdg-shell/xdg-shell.xml
wayland-scanner client-header "$protocol" build/bench/xdg-shell-client-protocol.h
wayland-scanner private-code "$protocol" build/bench/xdg-shell-protocol.c
cc -std=c11 -O2 -Wall -Wextra -I build/bench -o build/bench/client src/bench/client.c src/bench/window.c \
    build/bench/xdg-shell-protocol.c -lwayland-client
cc -std=c11 -O2 -Wall -Wextra -o "$built" src/bench/relay.c
echo "virtwl: built build/bench/client and $built"
