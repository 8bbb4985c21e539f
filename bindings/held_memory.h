/**
 * Learning from the kernel that nobody holds a memfd any more: no descriptor, no mapping and no message on its way, in
 * any process. See held_memory.cc for how.
 */
#ifndef VIRTWL_BINDINGS_HELD_MEMORY_H_
#define VIRTWL_BINDINGS_HELD_MEMORY_H_

#include <nan.h>

namespace virtwl {

class Environment;

void InitializeHeldMemory(Environment& environment, v8::Local<v8::Object> target);

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_HELD_MEMORY_H_
