#!/bin/sh
# Builds the benchmark's client, src/bench/client.c, to build/bench/client. Does nothing when that is newer.
set -eu
cd "$(dirname "$0")/../.."

source=src/bench/client.c
built=build/bench/client
if [ -e "$built" ] && [ -z "$(find "$source" "$0" -newer "$built")" ]; then
    exit 0
fi

mkdir -p build/bench
protocol=/usr/share/wayland-protocols/stable/xdg-shell/xdg-shell.xml
wayland-scanner client-header "$protocol" build/bench/xdg-shell-client-protocol.h
wayland-scanner private-code "$protocol" build/bench/xdg-shell-protocol.c
cc -std=c11 -O2 -Wall -Wextra -I build/bench -o "$built" "$source" build/bench/xdg-shell-protocol.c \
    -lwayland-client
echo "virtwl: built $built"
