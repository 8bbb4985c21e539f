#!/bin/sh
# Brings this checkout to where it can run: Debian packages, npm packages, the native addon, the compiled TypeScript.
#
#   sh src/setup/prepare.sh [build|package|demo|demo-vms|bench|bench-vms|test]
#
# The profile says what for. Each step looks first and does nothing when nothing is missing, so that the commands in
# package.json can start with it every time: a run with nothing to do is silent and takes well under a second.
set -eu
cd "$(dirname "$0")/../.."

profile=${1:-build}
oldest_node='20.5'

say() {
    printf 'virtwl: %s\n' "$1"
}

fail() {
    printf 'virtwl: %s\n' "$@" >&2
    exit 1
}

# step LABEL COMMAND...: runs COMMAND and shows, every five seconds, how long it has run and the last thing it said.
# Its output goes to a log, of which the end is shown if COMMAND fails. LABEL is not shown when COMMAND, having found
# nothing to do, is done at once.
step() {
    label=$1
    shift
    log=$(mktemp "${TMPDIR:-/tmp}/virtwl-setup.XXXXXX")
    "$@" >"$log" 2>&1 </dev/null &
    running=$!
    trap 'kill "$running" 2>/dev/null; exit 130' INT TERM HUP
    began=$(date +%s)
    shown=0
    waits=0
    while kill -0 "$running" 2>/dev/null; do
        sleep 0.2
        waits=$((waits + 1))
        [ "$waits" -ne 2 ] || say "$label ..."
        seconds=$(($(date +%s) - began))
        if [ "$seconds" -ge $((shown + 5)) ]; then
            shown=$seconds
            printf '  %3d s  %s\n' "$seconds" "$(tail -n 1 "$log" | tr -d '\033' | cut -c 1-90)"
        fi
    done
    status=0
    wait "$running" || status=$?
    trap - INT TERM HUP
    if [ "$status" -ne 0 ]; then
        tail -n 40 "$log" >&2
        fail "that failed with status $status; the whole output is in $log"
    fi
    rm -f "$log"
}

# ---- Node.js -----------------------------------------------------------------------------------------------------

command -v node >/dev/null || fail "Node.js $oldest_node or newer is needed, and there is no 'node' here" \
    "on Debian 13: apt-get install nodejs npm; on Debian 12 take it from nodejs.org"
version=$(node --version)
version=${version#v}
major=${version%%.*}
minor=${version#*.}
minor=${minor%%.*}
if [ "$major" -lt "${oldest_node%.*}" ] || { [ "$major" -eq "${oldest_node%.*}" ] && [ "$minor" -lt "${oldest_node#*.}" ]; }
then
    fail "Node.js $oldest_node or newer is needed; $(command -v node) is $version"
fi
node_prefix=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")

# ---- Debian packages ---------------------------------------------------------------------------------------------

# Each line: what must be there (a command, or a path), then the Debian package that brings it. The names are the same
# in Debian 12 and 13.
needs() {
    echo "g++ g++"
    echo "make make"
    echo "python3 python3"
    echo "npm npm"
    # node-gyp would fetch the headers from nodejs.org. Node's own builds bring them along; Debian's split them off.
    [ "$node_prefix" != /usr ] || echo "/usr/include/node/node.h libnode-dev"
    case $profile in
    demo | demo-vnc | bench | test)
        echo "sway sway"
        # sway refuses to run as root; bubblewrap runs it as another user.
        echo "bwrap bubblewrap"
        echo "/usr/share/X11/xkb/rules/evdev xkb-data"
        ;;
    esac
    case $profile in
    package | test)
        # The package has an addon for each processor.
        case $(uname -m) in
        x86_64) echo "aarch64-linux-gnu-g++ g++-aarch64-linux-gnu" ;;
        aarch64) echo "x86-64-linux-gnu-g++ g++-x86-64-linux-gnu" ;;
        esac
        ;;
    esac
    case $profile in
    package | demo-vms | bench-vms | test)
        # Guests are made with mmdebstrap; what is compiled for them is compiled in a guest's system, by bubblewrap.
        echo "mmdebstrap mmdebstrap"
        echo "/usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring"
        echo "mkfs.ext4 e2fsprogs"
        echo "bwrap bubblewrap"
        # Without root, its files are another user's by these two.
        [ "$(id -u)" -eq 0 ] || echo "newuidmap uidmap"
        [ "$(id -u)" -eq 0 ] || echo "fakeroot fakeroot"
        ;;
    esac
    case $profile in
    demo | demo-vnc | test)
        echo "foot foot"
        echo "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf fonts-dejavu-core"
        ;;
    esac
    case $profile in
    bench | test)
        echo "waypipe waypipe"
        echo "/usr/include/wayland-client.h libwayland-dev"
        echo "wayland-scanner libwayland-bin"
        echo "/usr/share/wayland-protocols/stable/xdg-shell/xdg-shell.xml wayland-protocols"
        ;;
    esac
    case $profile in
    demo-vnc | test)
        # It shows a compositor by VNC; its pointer is a cursor above the window of the frame checker.
        echo "wayvnc wayvnc"
        ;;
    esac
    case $profile in
    test)
        echo "cage cage"
        echo "weston-simple-shm weston"
        # The page of virtwl status is looked at in it.
        echo "chromium chromium"
        # The example of the C library is built with it.
        echo "pkg-config pkgconf"
        echo "gtk3-widget-factory gtk-3-examples"
        echo "gtk4-widget-factory gtk-4-examples"
        echo "/usr/share/icons/Adwaita/index.theme adwaita-icon-theme"
        echo "wl-copy wl-clipboard"
        # X11 programs, and the X server that shows them.
        echo "Xwayland xwayland"
        echo "xterm xterm"
        echo "xeyes x11-apps"
        echo "editres x11-utils"
        echo "xclip xclip"
        echo "xsel xsel"
        # A system tray, and a program with an icon in one.
        echo "trayer trayer"
        echo "yad yad"
        echo "strace strace"
        ;;
    esac
}

missing_packages() {
    needs | while read -r need package; do
        case $need in
        /*) [ -e "$need" ] || echo "$package" ;;
        *) command -v "$need" >/dev/null || echo "$package" ;;
        esac
    done | sort -u | tr '\n' ' '
}

case $profile in
build | package | demo | demo-vnc | demo-vms | bench | bench-vms | test) ;;
*) fail "unknown profile '$profile': one of build, package, demo, demo-vnc, demo-vms, bench, bench-vms, test" ;;
esac

missing=$(missing_packages)
missing=${missing% }
if [ -n "$missing" ]; then
    by_hand="apt-get update && apt-get install --no-install-recommends $missing"
    command -v apt-get >/dev/null || fail "these Debian packages, or what stands for them here, are missing: $missing"
    if [ "$(id -u)" -eq 0 ]; then
        as_root=
    elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }; }; then
        as_root=sudo
    else
        fail "these Debian packages are missing, and only root can install them: $missing" "run as root: $by_hand"
    fi
    # Package lists that are older than the mirror name files it no longer has, so they are always read anew.
    # One of several mirrors failing need not matter; if it does, the installation says so.
    step 'reading the package lists' sh -c "$as_root apt-get -o DPkg::Lock::Timeout=120 update || true"
    # shellcheck disable=SC2086 # a list of words
    step "installing $missing" $as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=120 \
        -o Dpkg::Use-Pty=0 install --no-install-recommends $missing
    missing=$(missing_packages)
    [ -z "$missing" ] || fail "installed, yet what these packages should bring is not there: $missing"
fi

# ---- npm packages, native addon, TypeScript ----------------------------------------------------------------------

if ! node src/setup/installed.mjs; then
    # No package needs its install script: our own addon is built below, nothing else is native.
    step 'installing npm packages' npm ci --include=dev --ignore-scripts --no-audit --no-fund
fi

step 'building the native addon' sh src/setup/native.sh

if ! node src/setup/compile.mjs --check; then
    step 'compiling TypeScript' node src/setup/compile.mjs
fi
