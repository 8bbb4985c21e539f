/**
 * What a process gives up: resource limits, system calls, descriptors on exec.
 * What each function does is documented in src/system/native.ts.
 */
#ifndef VIRTWL_BINDINGS_CONFINE_H_
#define VIRTWL_BINDINGS_CONFINE_H_

#include <nan.h>

namespace virtwl {

class Environment;

void InitializeConfine(Environment& environment, v8::Local<v8::Object> target);

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_CONFINE_H_
