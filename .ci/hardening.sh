#!/bin/sh
# A slip in a module of C should end the program and not open it: the stack is guarded, the checked
# functions of the C library are used, and what the linker writes is read-only once it is loaded.
set -eu
failed=0

# expect MODULE WHAT PATTERN OPTION... of readelf
expect() {
  module=$1 what=$2 pattern=$3
  shift 3
  if ! readelf -W "$@" "$module" | grep -qE "$pattern"; then
    echo "$module has no $what" >&2
    failed=1
  fi
}

for module in "$@"; do
  expect "$module" 'stack protector' ' UND __stack_chk_fail' --dyn-syms
  expect "$module" 'fortified functions' ' UND __[a-z]+_chk(@|$| )' --dyn-syms
  expect "$module" 'read-only relocations' 'GNU_RELRO' --program-headers
  expect "$module" 'binding at load' 'BIND_NOW' --dynamic
done
exit $failed
