/**
 * Ordered access to memory that another processor or program writes at the same time: 16-bit numbers of a mapping, and
 * the full barrier. It is what the indices of a virtqueue need; the rest of a ring is plain memory, read after them.
 */
#ifndef VIRTWL_BINDINGS_ATOMIC_H_
#define VIRTWL_BINDINGS_ATOMIC_H_

#include <nan.h>

namespace virtwl {

class Environment;

void InitializeAtomic(Environment& environment, v8::Local<v8::Object> target);

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_ATOMIC_H_
