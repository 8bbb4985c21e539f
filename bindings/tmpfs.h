/**
 * A private tmpfs: memory with a bound that the kernel keeps.
 * What each function does is documented in src/system/native.ts.
 */
#ifndef VIRTWL_BINDINGS_TMPFS_H_
#define VIRTWL_BINDINGS_TMPFS_H_

#include <nan.h>

namespace virtwl {

class Environment;

void InitializeTmpfs(Environment& environment, v8::Local<v8::Object> target);

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_TMPFS_H_
