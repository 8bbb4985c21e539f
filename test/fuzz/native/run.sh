#!/bin/sh
# Fuzzes what of the native layer needs no V8, with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer:
#
#   sh test/fuzz/native/run.sh [-n INPUTS] [-s SEED] [TARGET...]     default: 1,000,000 inputs of each target
#
# Needs clang with its libFuzzer (Debian: clang and libclang-rt-dev of one version, such as clang-14 and
# libclang-rt-14-dev); CLANG names another compiler than `clang++`. The corpus is in test/fuzz/corpus, an input in base64
# on each line; the smallest set that reaches what all of it and the new inputs reach takes its place.
set -eu

cd "$(dirname "$0")/../../.."
inputs=1000000
seed=0
while getopts n:s: option; do
  case $option in
    n) inputs=$OPTARG ;;
    s) seed=$OPTARG ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- copy_rects guarded_memory

clang=${CLANG:-}
for candidate in clang++ clang++-19 clang++-16 clang++-15 clang++-14; do
  if [ -z "$clang" ] && command -v "$candidate" >/dev/null 2>&1; then clang=$candidate; fi
done
if [ -z "$clang" ]; then
  echo 'run.sh: there is no clang++; install clang and its libFuzzer (Debian 12: apt-get install clang-14 libclang-rt-14-dev)' >&2
  exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
for target in "$@"; do
  sources="test/fuzz/native/$target.cc bindings/rect_copy.cc bindings/stream_copy.cc"
  [ "$target" != guarded_memory ] || sources="$sources bindings/sigbus.cc"
  # shellcheck disable=SC2086
  "$clang" -std=c++17 -g -O1 -Wall -Wextra -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined \
    -fno-sanitize-recover=undefined -o "$work/$target" $sources
  kept=test/fuzz/corpus/native-$target.base64
  mkdir "$work/corpus-$target" "$work/small-$target"
  if [ -f "$kept" ]; then
    number=0
    while read -r line; do
      number=$((number + 1))
      echo "$line" | base64 -d >"$work/corpus-$target/$number"
    done <"$kept"
  fi
  # SIGBUS is the guard's: neither libFuzzer nor the sanitizer may take it.
  if ASAN_OPTIONS=handle_sigbus=0:detect_leaks=1:quarantine_size_mb=16 UBSAN_OPTIONS=print_stacktrace=1 "$work/$target" -runs="$inputs" -seed="$seed" \
    -max_len=256 -timeout=10 -rss_limit_mb=256 -handle_bus=0 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="${TMPDIR:-/tmp}/fuzz-native-$target-" "$work/corpus-$target" 2>"$work/log"; then
    echo "run.sh: $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log") inputs, $(sed -n 's/^stat::peak_rss_mb: *//p' "$work/log") MiB at most, no report"
  else
    failed=1
    cat "$work/log" >&2
    echo "run.sh: $target: FAILED" >&2
    continue
  fi
  ASAN_OPTIONS=handle_sigbus=0 "$work/$target" -merge=1 -handle_bus=0 -verbosity=0 "$work/small-$target" "$work/corpus-$target" 2>/dev/null
  for input in "$work/small-$target"/*; do base64 -w 0 "$input" && echo; done | sort >"$work/kept"
  mv "$work/kept" "$kept"
done
exit $failed
