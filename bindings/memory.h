/**
 * Files that are memory: memfds, their seals, room reserved for them, unnamed files in a tmpfs.
 * What each function does is documented in src/system/native.ts.
 */
#ifndef VIRTWL_BINDINGS_MEMORY_H_
#define VIRTWL_BINDINGS_MEMORY_H_

#include <nan.h>

namespace virtwl {

class Environment;

void InitializeMemory(Environment& environment, v8::Local<v8::Object> target);

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_MEMORY_H_
