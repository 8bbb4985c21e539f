/**
 * Learning from the kernel that nobody holds a piece of memory any more: no descriptor, no mapping, no message that is
 * on its way, in whatever process. See held_memory.cc for how.
 */
#ifndef VIRTWL_BINDINGS_HELD_MEMORY_H_
#define VIRTWL_BINDINGS_HELD_MEMORY_H_

#include <nan.h>

namespace virtwl {

class Environment;

void InitializeHeldMemory(Environment& environment, v8::Local<v8::Object> target);

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_HELD_MEMORY_H_
