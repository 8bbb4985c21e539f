#include "rectangle.h"

#include <cmath>
#include <cstring>

#include "safe_integer.h"

namespace virtwl {

namespace {

/** A number from JavaScript as a size; false for NaN, infinities, negative ones, fractions and more than 2^53 - 1. */
bool ToSize(double number, size_t* size) {
  if (!(number >= 0) || number > static_cast<double>(kMaxSafeInteger) || std::trunc(number) != number) return false;
  *size = static_cast<size_t>(number);
  return true;
}

/** Whether rows of rowBytes at offset, one every stride bytes, lie within `length` bytes. */
bool Fits(size_t offset, size_t stride, size_t rowBytes, size_t rows, size_t length) {
  size_t end;
  // rows - 1: the last row need not be followed by the rest of its stride.
  return !__builtin_mul_overflow(rows - 1, stride, &end) && !__builtin_add_overflow(end, rowBytes, &end) &&
         !__builtin_add_overflow(end, offset, &end) && end <= length;
}

}  // namespace

const char* CheckRectangle(const double numbers[kRectangleNumbers], size_t dstLength, size_t srcLength,
                           Rectangle* rectangle) {
  size_t sizes[kRectangleNumbers];
  for (size_t i = 0; i < kRectangleNumbers; i++) {
    if (!ToSize(numbers[i], &sizes[i])) return "has a number that is no integer of 0 to 2^53 - 1";
  }
  *rectangle = {sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]};
  if (rectangle->rows == 0 || rectangle->rowBytes == 0) {
    // Its offsets were not checked: they must not be added to an address.
    *rectangle = {};
    return nullptr;
  }
  if (rectangle->rows > 1 &&
      (rectangle->dstStride < rectangle->rowBytes || rectangle->srcStride < rectangle->rowBytes)) {
    // Also what bounds the work: without it, a stride of 0 would allow any number of rows.
    return "has rows longer than their stride";
  }
  if (!Fits(rectangle->dstOffset, rectangle->dstStride, rectangle->rowBytes, rectangle->rows, dstLength)) {
    return "lies outside of the destination";
  }
  if (!Fits(rectangle->srcOffset, rectangle->srcStride, rectangle->rowBytes, rectangle->rows, srcLength)) {
    return "lies outside of the source";
  }
  return nullptr;
}

void CopyRectangle(const Rectangle& rectangle, uint8_t* dst, const uint8_t* src) {
  // memmove, since nothing keeps two mappings from showing the same memory.
  uint8_t* to = dst + rectangle.dstOffset;
  const uint8_t* from = src + rectangle.srcOffset;
  if (rectangle.rows == 1 || (rectangle.dstStride == rectangle.rowBytes && rectangle.srcStride == rectangle.rowBytes)) {
    std::memmove(to, from, rectangle.rowBytes * rectangle.rows);
    return;
  }
  for (size_t row = 0; row < rectangle.rows; row++) {
    std::memmove(to + row * rectangle.dstStride, from + row * rectangle.srcStride, rectangle.rowBytes);
  }
}

}  // namespace virtwl
