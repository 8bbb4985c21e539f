/**
 * Copies rectangles of pixels between mappings. Everything is checked before the first byte moves.
 */
#ifndef VIRTWL_BINDINGS_COPY_H_
#define VIRTWL_BINDINGS_COPY_H_

#include <nan.h>

#include <cstddef>

namespace virtwl {

class Environment;

/** Rows of bytes at a place in each of two mappings, checked to lie within them. */
struct Rectangle {
  size_t dstOffset;
  size_t dstStride;
  size_t srcOffset;
  size_t srcStride;
  size_t rowBytes;
  size_t rows;
};

void InitializeCopy(Environment& environment, v8::Local<v8::Object> target);

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_COPY_H_
