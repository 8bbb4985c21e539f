/**
 * Calls on any file descriptor.
 * What each function does is documented in src/system/native.ts.
 */
#ifndef VIRTWL_BINDINGS_FILE_H_
#define VIRTWL_BINDINGS_FILE_H_

#include <nan.h>

namespace virtwl {

class Environment;

void InitializeFiles(Environment& environment, v8::Local<v8::Object> target);

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_FILE_H_
