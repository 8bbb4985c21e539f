/**
 * A rectangle of bytes in each of two stretches of memory: what copyRects is asked to copy, as it comes from JavaScript
 * and as it was checked. No V8 here, so that it can be tested and fuzzed by itself (test/fuzz/native).
 */
#ifndef VIRTWL_BINDINGS_RECT_COPY_H_
#define VIRTWL_BINDINGS_RECT_COPY_H_

#include <cstddef>
#include <cstdint>

namespace virtwl {

/** Rows of bytes at a place in each of two stretches of memory, checked to lie within them. */
struct RectCopy {
  size_t dstOffset;
  size_t dstStride;
  size_t srcOffset;
  size_t srcStride;
  size_t rowBytes;
  size_t rows;
};

/** Numbers that describe one, in the order of the fields. */
constexpr size_t kRectCopyNumbers = 6;

/**
 * Null when the numbers describe a rectangle that may be copied between memory of these lengths, else what is wrong
 * with them. One without rows or bytes may, wherever it is: it becomes one without either.
 */
const char* CheckRectCopy(const double numbers[kRectCopyNumbers], size_t dstLength, size_t srcLength, RectCopy* copy);

/** Copies what was checked. Source and destination may be the same memory: each row is moved as memmove does. */
void CopyRect(const RectCopy& copy, uint8_t* dst, const uint8_t* src);

/**
 * The same from the file that the source maps from its beginning: no page of the mapping is touched. False when the
 * file could not be read, in part or at all (it is no file to seek in, or has become shorter): what was checked can be
 * copied from the mapping then.
 */
bool ReadRect(const RectCopy& copy, uint8_t* dst, int fd);

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_RECT_COPY_H_
