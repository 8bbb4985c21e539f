/**
 * Copies rectangles of pixels between mappings. Everything is checked before the first byte moves.
 */
#ifndef VIRTWL_BINDINGS_COPY_H_
#define VIRTWL_BINDINGS_COPY_H_

#include <nan.h>

namespace virtwl {

class Environment;

void InitializeCopy(Environment& environment, v8::Local<v8::Object> target);

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_COPY_H_
