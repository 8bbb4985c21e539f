#!/bin/sh
# Runs the tests of the native layer against a build of it with AddressSanitizer and UndefinedBehaviorSanitizer.
#
#   sh test/bindings/sanitize.sh [NAME...]     only these files, by name: copy, mapping, ...
#
# Node.js itself is not instrumented, so the sanitizer's library is preloaded. Reports are collected in files, because a
# test may well expect that a child of it dies. Any report, and any test that fails, makes the exit status 1.
#
# Leaks are looked for in a second run of some of the files, and only those count that were allocated by the addon
# itself: V8 leaves much behind when a process ends, and hides more from the detector.
set -eu

cd "$(dirname "$0")/../.."
[ -f dist/test/bindings/copy.test.js ] || {
  echo 'sanitize.sh: compiling the tests'
  node node_modules/typescript/bin/tsc -p tsconfig.json
}
sh src/setup/native.sh --sanitize

library=$(c++ -print-file-name=libasan.so)
[ -f "$library" ] || {
  echo "sanitize.sh: $library is missing; install the libasan of your compiler" >&2
  exit 1
}
# The file may be a linker script or a link; preloading needs the library itself.
library=$(readlink -f "$library")

reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
# Some tests run a child as nobody, whose report must be writable too.
chmod 1777 "$reports"

VIRTWL_NATIVE=$PWD/build/Sanitize/virtwl.node
export VIRTWL_NATIVE
# handle_sigbus=0: SIGBUS is the guard's, and where it is not, the tests expect what happens without a sanitizer.
# detect_odr_violation=0: one test loads a second copy of the addon, with the same names in it.
common="log_path=$reports/report:handle_sigbus=0:detect_odr_violation=0:allocator_may_return_null=1"
UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:log_path=$reports/report"
export UBSAN_OPTIONS

# Seconds until tap gives a file up: everything is several times slower than without the sanitizers.
TAP_TIMEOUT=280
export TAP_TIMEOUT

failed=0
show_reports() {
  for report in "$reports"/report*; do
    [ -f "$report" ] || continue
    failed=1
    echo "sanitize.sh: report of process ${report##*.}, during $1:" >&2
    head -n 60 "$report" >&2
    rm -f "$report"
  done
}

if [ $# -gt 0 ]; then
  files=''
  for name in "$@"; do files="$files dist/test/bindings/$name.test.js"; done
else
  # The pass reads what peers say: its fuzzer is one of these.
  files="$(ls dist/test/bindings/*.test.js) dist/test/fuzz/pass/pass.test.js"
fi

for file in $files; do
  began=$(date +%s)
  status=0
  output=$(LD_PRELOAD=$library ASAN_OPTIONS=$common:exitcode=99:detect_leaks=0 timeout 300 node "$file" 2>&1) || status=$?
  counts=$(printf '%s\n' "$output" | sed -n 's/^# { \(total: .*\) }$/\1/p' | tail -n 1)
  if [ $status -ne 0 ]; then
    failed=1
    printf '%s\n' "$output" | grep -v '^ *ok ' >&2
  fi
  echo "sanitize.sh: $file: ${counts:-no result}, status $status, $(($(date +%s) - began)) s"
  show_reports "$file"
done

# Of the leak reports on standard input, those whose memory was allocated in our files: before the first frame of the
# node program, or of the library that is most of it in Debian, going outwards.
our_leaks() {
  awk '
    /leak of [0-9]+ byte/ { block = ""; inNode = 0; ours = 0 }
    { block = block $0 "\n" }
    /^ *#[0-9]+ .*\(\/.*\/(node|libnode\.so[.0-9]*)\+0x/ { inNode = 1 }
    /^ *#[0-9]+ .*bindings\// { if (!inNode) ours = 1 }
    /^$/ { if (ours) printf "%s", block; ours = 0 }'
}

if [ $# -eq 0 ]; then
  # misuse calls everything, the others end mappings, polls and threads in every way.
  for name in misuse mapping poll worker; do
    file=dist/test/bindings/$name.test.js
    began=$(date +%s)
    LD_PRELOAD=$library ASAN_OPTIONS=$common:exitcode=0:detect_leaks=1 timeout 300 node "$file" >/dev/null 2>&1 || {
      failed=1
      echo "sanitize.sh: $file fails when it is run for leaks" >&2
    }
    leaks=$(find "$reports" -name 'report*' -exec cat {} + | our_leaks)
    rm -f "$reports"/report*
    count=$(printf '%s' "$leaks" | grep -c 'leak of' || true)
    echo "sanitize.sh: $file: $count leaks of ours, $(($(date +%s) - began)) s"
    if [ "$count" -gt 0 ]; then
      failed=1
      printf '%s\n' "$leaks" | head -n 60 >&2
    fi
  done
fi

if [ $failed -eq 0 ]; then echo 'sanitize.sh: no report'; else echo 'sanitize.sh: FAILED' >&2; fi
exit $failed
