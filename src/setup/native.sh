#!/bin/sh
# Builds the native addon, build/Release/virtwl.node, unless it is there and up to date.
#
#   sh src/setup/native.sh             the addon
#   sh src/setup/native.sh --sanitize  build/Sanitize/virtwl.node, with AddressSanitizer and UBSan (see
#                                      test/bindings/sanitize.sh)
#   sh src/setup/native.sh --prebuilt ARCH [HEADERS]
#                                      dist/prebuilt/linux-ARCH-ABI/virtwl.node, for x64 or arm64 and the Node.js whose
#                                      headers these are, or the one that runs (see prebuilt.sh)
#
# An installed package has it as the command virtwl-build-addon, for a Node.js that the package has no addon for.
#
# node-gyp would like to download the headers of Node.js. Machines that build this often reach a package registry at
# most, so the headers that are installed are looked for and named to it. NODE_HEADERS names them instead: a directory
# with include/node/node.h in it, or with src/node.h (Node.js's own sources, Debian's libnode-dev).
#
# The build happens beside build/Release and the result is renamed into place: a process that is just loading the old
# one is not disturbed, and a build that fails leaves the old one.
set -eu

root=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
cd "$root"

fail() {
  echo "native.sh: $*" >&2
  exit 1
}

# NODE_MODULE_VERSION of headers: the number of the binary interface that they describe.
abi_of() {
  for version in "$1/include/node/node_version.h" "$1/src/node_version.h"; do
    [ ! -f "$version" ] || sed -n 's/^# *define NODE_MODULE_VERSION *\([0-9][0-9]*\).*/\1/p' "$version"
  done
}

command -v node >/dev/null 2>&1 || fail "node is not on the PATH; install Node.js 20.5 or newer"
# An addon works for one version of Node.js's binary interface; the number is kept beside it.
abi=$(node -p 'process.versions.modules')
here=$(node -p 'process.arch')
arch=$here
name=Release
sanitize=0
nodedir=
# What only the tests load is built where the tests are: in a checkout, and not in a user's project.
test_sources=test/bindings/native
if [ -d "$test_sources" ]; then tests=1; else tests=0; fi
case ${1:-} in
'') results=build/Release ;;
--sanitize)
  name=Sanitize
  sanitize=1
  tests=0
  results=build/Sanitize
  ;;
--prebuilt)
  [ $# -ge 2 ] || fail "--prebuilt takes an architecture"
  arch=$2
  nodedir=${3:-}
  if [ -n "$nodedir" ]; then abi=$(abi_of "$nodedir"); fi
  [ -n "$abi" ] || fail "no headers of Node.js in $nodedir"
  name=linux-$arch-$abi
  tests=0
  results=dist/prebuilt/$name
  ;;
*) fail "unknown argument $1" ;;
esac
target=$results/virtwl.node
# The package has the addon alone.
stamp=build/$name/node-modules-version

up_to_date() {
  [ -f "$target" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$abi" ] &&
    [ -z "$(find bindings binding.gyp -newer "$target" -print | head -n 1)" ] &&
    { [ $tests -eq 0 ] || [ -z "$(find "$test_sources" -newer "$results/virtwl-test.node" -print 2>&1 | head -n 1)" ]; }
}

mkdir -p "build/$name" "$results"
# Two builds at once wait for each other, and the second finds the work done. Without flock (util-linux) they race,
# which the rename makes harmless.
if command -v flock >/dev/null 2>&1; then
  exec 9>"build/.$name.lock"
  flock 9
fi
if up_to_date; then exit 0; fi
# For the machine that makes the package, it is the addon of the checkout.
if [ "${1:-}" = --prebuilt ] && [ -z "$nodedir" ] && [ "$arch" = "$here" ]; then
  sh "$root/src/setup/native.sh"
  cp build/Release/virtwl.node "$target.new"
  strip --strip-unneeded "$target.new"
  touch -r build/Release/virtwl.node "$target.new"
  mv -f "$target.new" "$target"
  echo "$abi" >"$stamp"
  exit 0
fi

headers() {
  prefix=$(dirname "$(dirname "$(node -p 'fs.realpathSync(process.execPath)')")")
  for candidate in "${NODE_HEADERS:-}" "$prefix" /usr /usr/local /usr/include/nodejs /usr/share/nodejs; do
    # Headers of another major version describe another binary interface.
    if [ -n "$candidate" ] && [ "$(abi_of "$candidate")" = "$abi" ]; then
      echo "$candidate"
      return
    fi
  done
}

# All that is missing is told at once.
missing=
[ -n "$nodedir" ] || nodedir=$(headers)
if [ -z "$nodedir" ]; then
  missing="no headers for Node.js $(node -v) (NODE_MODULE_VERSION $abi) beside $(command -v node), in /usr/include/node or in \
/usr/include/nodejs: install libnode-dev (Debian's own Node.js), or name a directory with include/node in NODE_HEADERS"
fi
# In a user's project, npm puts them beside this package and not below it.
gyp=$(node -p 'require.resolve("node-gyp/bin/node-gyp.js")' 2>/dev/null) || gyp=
if [ -z "$gyp" ] || ! node -p 'require.resolve("nan")' >/dev/null 2>&1; then
  if [ -f tsconfig.json ]; then how='run npm ci'; else how='run npm install node-gyp nan beside this package'; fi
  missing="${missing:+$missing; }node-gyp or nan is missing: $how"
fi
CC=cc CXX=c++ AR=ar strip=strip
if [ "$arch" != "$here" ]; then
  case $arch in
  arm64) triplet=aarch64-linux-gnu ;;
  x64) triplet=x86-64-linux-gnu ;;
  *) fail "no name of a compiler is known for $arch" ;;
  esac
  CXX=$triplet-g++ CC=$triplet-gcc AR=$triplet-ar strip=$triplet-strip
fi
command -v $CXX >/dev/null 2>&1 || missing="${missing:+$missing; }no C++ compiler $CXX: install g++${triplet:+-$triplet}"
command -v make >/dev/null 2>&1 || missing="${missing:+$missing; }no make: install make"
command -v python3 >/dev/null 2>&1 || missing="${missing:+$missing; }no python3: install python3"
[ -z "$missing" ] || fail "$target cannot be built: $missing"
export CC CXX AR
export CC_target=$CC CXX_target=$CXX AR_target=$AR LINK_target=$CXX
# Level 3 of _FORTIFY_SOURCE is a warning to a compiler or C library that knows only 2 (before GCC 12, glibc 2.35).
fortify=2
if printf '#include <features.h>\n#if __USE_FORTIFY_LEVEL < 3\n#error\n#endif\n' |
  $CXX -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -x c++ -fsyntax-only - >/dev/null 2>&1; then fortify=3; fi

echo "native.sh: building $target for ABI $abi of Node.js with the headers in $nodedir"
stage=build/stage-$name
log=build/native-$name.log
mkdir -p "$stage"
ln -sfn ../../binding.gyp "$stage/binding.gyp"
ln -sfn ../../bindings "$stage/bindings"
ln -sfn ../../test "$stage/test"
# The newest source must not be newer than the result, also when a file is saved while the compiler runs.
started=build/$name/.started
touch "$started"
# node-gyp takes what npm's own settings say before what it is told, and npm hands those to its scripts.
unset npm_config_nodedir NPM_CONFIG_NODEDIR npm_config_arch npm_config_target
# What follows "--" goes to gyp, and to make as well were both one command.
if ! (cd "$stage" && node "$gyp" configure --nodedir="$nodedir" --arch="$arch" --release -- -Dsanitize="$sanitize" \
  -Dtests="$tests" -Dfortify="$fortify" &&
  node "$gyp" build --nodedir="$nodedir" --arch="$arch" --release -j 2) >"$log" 2>&1; then
  cat "$log" >&2
  fail "the build failed; its output is above and in $log"
fi
grep -n 'warning:' "$log" >&2 || true
if [ $tests -eq 1 ]; then
  cp "$stage/build/Release/virtwl-test.node" "$results/virtwl-test.node.new"
  mv -f "$results/virtwl-test.node.new" "$results/virtwl-test.node"
  touch -r "$started" "$results/virtwl-test.node"
fi
cp "$stage/build/Release/virtwl.node" "$target.new"
[ "${1:-}" != --prebuilt ] || $strip --strip-unneeded "$target.new"
touch -r "$started" "$target.new"
mv -f "$target.new" "$target"
echo "$abi" >"$stamp"
rm -f "$started"
