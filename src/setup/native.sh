#!/bin/sh
# Builds the native addon, build/Release/virtwl.node, unless it is there and up to date.
#
#   sh src/setup/native.sh             the addon
#   sh src/setup/native.sh --sanitize  build/Sanitize/virtwl.node, with AddressSanitizer and UBSan (see
#                                      test/bindings/sanitize.sh)
#
# node-gyp would like to download the headers of Node.js. Machines that build this often reach a package registry at
# most, so the headers that are installed are looked for and named to it. NODE_HEADERS names them instead: a directory
# with include/node/node.h in it, or with src/node.h (Node.js's own sources, Debian's libnode-dev).
#
# The build happens beside build/Release and the result is renamed into place: a process that is just loading the old
# one is not disturbed, and a build that fails leaves the old one.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"

fail() {
  echo "native.sh: $*" >&2
  exit 1
}

name=Release
sanitize=0
if [ "${1:-}" = --sanitize ]; then
  name=Sanitize
  sanitize=1
elif [ $# -gt 0 ]; then
  fail "unknown argument $1"
fi

target=build/$name/virtwl.node
# What only the tests load is built where the tests are: in a checkout, and not in a user's project.
test_sources=test/bindings/native
if [ -d "$test_sources" ] && [ $sanitize -eq 0 ]; then tests=1; else tests=0; fi
# An addon works for one version of Node.js's binary interface; the number is kept beside it.
stamp=build/$name/node-modules-version
command -v node >/dev/null 2>&1 || fail "node is not on the PATH; install Node.js 20 or newer"
abi=$(node -p 'process.versions.modules')

up_to_date() {
  [ -f "$target" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$abi" ] &&
    [ -z "$(find bindings binding.gyp -newer "$target" -print | head -n 1)" ] &&
    { [ $tests -eq 0 ] || [ -z "$(find "$test_sources" -newer "build/$name/virtwl-test.node" -print 2>&1 | head -n 1)" ]; }
}

mkdir -p build
# Two builds at once wait for each other, and the second finds the work done. Without flock (util-linux) they race,
# which the rename makes harmless.
if command -v flock >/dev/null 2>&1; then
  exec 9>"build/.$name.lock"
  flock 9
fi
if up_to_date; then exit 0; fi

headers() {
  prefix=$(dirname "$(dirname "$(node -p 'fs.realpathSync(process.execPath)')")")
  for candidate in "${NODE_HEADERS:-}" "$prefix" /usr /usr/local /usr/include/nodejs /usr/share/nodejs; do
    [ -n "$candidate" ] || continue
    for version in "$candidate/include/node/node_version.h" "$candidate/src/node_version.h"; do
      [ -f "$version" ] || continue
      # Headers of another major version describe another binary interface.
      if [ "$(sed -n 's/^# *define NODE_MODULE_VERSION *\([0-9][0-9]*\).*/\1/p' "$version")" = "$abi" ]; then
        echo "$candidate"
        return
      fi
    done
  done
}

nodedir=$(headers)
if [ -z "$nodedir" ]; then
  fail "no headers for Node.js $(node -v) (NODE_MODULE_VERSION $abi) beside $(command -v node), in /usr/include/node or in" \
    "/usr/include/nodejs; install libnode-dev (Debian's own Node.js), or name a directory with include/node in NODE_HEADERS"
fi
# In a user's project, npm puts it beside this package and not below it.
gyp=$(node -p 'require.resolve("node-gyp/bin/node-gyp.js")' 2>/dev/null) || fail "node-gyp is missing; run npm ci first"
command -v c++ >/dev/null 2>&1 || fail "no C++ compiler; install build-essential and python3"
# Level 3 of _FORTIFY_SOURCE is a warning to a compiler or C library that knows only 2 (before GCC 12, glibc 2.35).
fortify=2
if printf '#include <features.h>\n#if __USE_FORTIFY_LEVEL < 3\n#error\n#endif\n' |
  c++ -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -x c++ -fsyntax-only - >/dev/null 2>&1; then fortify=3; fi

echo "native.sh: building $target for Node.js $(node -v) with the headers in $nodedir"
stage=build/stage-$name
log=build/native-$name.log
mkdir -p "$stage" "build/$name"
ln -sfn ../../binding.gyp "$stage/binding.gyp"
ln -sfn ../../bindings "$stage/bindings"
ln -sfn ../../test "$stage/test"
# The newest source must not be newer than the result, also when a file is saved while the compiler runs.
started=build/$name/.started
touch "$started"
# What follows "--" goes to gyp, and to make as well were both one command.
if ! (cd "$stage" && node "$gyp" configure --nodedir="$nodedir" --release -- -Dsanitize="$sanitize" \
  -Dtests="$tests" -Dfortify="$fortify" &&
  node "$gyp" build --nodedir="$nodedir" --release -j 2) >"$log" 2>&1; then
  cat "$log" >&2
  fail "the build failed; its output is above and in $log"
fi
grep -n 'warning:' "$log" >&2 || true
if [ $tests -eq 1 ]; then
  cp "$stage/build/Release/virtwl-test.node" "build/$name/virtwl-test.node.new"
  mv -f "build/$name/virtwl-test.node.new" "build/$name/virtwl-test.node"
  touch -r "$started" "build/$name/virtwl-test.node"
fi
cp "$stage/build/Release/virtwl.node" "$target.new"
touch -r "$started" "$target.new"
mv -f "$target.new" "$target"
echo "$abi" >"$stamp"
rm -f "$started"
