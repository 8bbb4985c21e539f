#!/bin/sh
# Checks how the code is written: layout (prettier, clang-format) and what ESLint knows. `npm run lint`.
#
#   sh src/setup/lint.sh [--fix]
#
# --fix lays everything out anew instead of complaining. The guest's driver is kernel code and has a check of its own.
set -eu
cd "$(dirname "$0")/../.."

sh src/setup/prepare.sh

fix=0
[ "${1:-}" != --fix ] || fix=1
status=0

# Its package makes this executable in an install script, and install scripts are not run here.
clang_format=$(node -p 'require("clang-format-node").getBinaryPath?.() ?? ""' 2>/dev/null || true)
[ -n "$clang_format" ] || clang_format=$(find node_modules/clang-format-node/bin -path "*linux-$(node -p process.arch)/*" -type f)
[ -x "$clang_format" ] || chmod +x "$clang_format"
sources=$(find bindings src test docs -path bindings/kernel -prune -o \( -name '*.cc' -o -name '*.h' -o -name '*.c' \) -print)

if [ $fix -eq 1 ]; then
    # shellcheck disable=SC2086 # a list of files without spaces
    "$clang_format" -i $sources
    node node_modules/prettier/bin/prettier.cjs --write --log-level warn .
    node node_modules/eslint/bin/eslint.js --fix . || status=1
    exit $status
fi
echo 'lint: layout of C and C++'
# shellcheck disable=SC2086
"$clang_format" --dry-run -Werror $sources || status=1
echo 'lint: layout of TypeScript and JSON'
node node_modules/prettier/bin/prettier.cjs --check --log-level warn . || status=1
echo 'lint: ESLint, with types'
node node_modules/eslint/bin/eslint.js . || status=1
[ $status -eq 0 ] || echo 'lint: "npm run lint -- --fix" mends what a machine can' >&2
exit $status
