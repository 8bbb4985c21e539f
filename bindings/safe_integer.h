#ifndef VIRTWL_BINDINGS_SAFE_INTEGER_H_
#define VIRTWL_BINDINGS_SAFE_INTEGER_H_

#include <cstdint>

namespace virtwl {

/** The largest integer that a JavaScript number holds exactly: 2^53 - 1. */
constexpr uint64_t kMaxSafeInteger = (uint64_t{1} << 53) - 1;

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_SAFE_INTEGER_H_
