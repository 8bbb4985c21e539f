/**
 * The ioctls of /dev/wl0.
 * What each function does is documented in src/system/native.ts.
 */
#ifndef VIRTWL_BINDINGS_VIRTWL_H_
#define VIRTWL_BINDINGS_VIRTWL_H_

#include <nan.h>

namespace virtwl {

class Environment;

void InitializeVirtwl(Environment& environment, v8::Local<v8::Object> target);

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_VIRTWL_H_
