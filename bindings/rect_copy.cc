#include "rect_copy.h"

#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>

#include "safe_integer.h"
#include "stream_copy.h"

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

/** Whether all of it lies in one piece on both sides. */
bool IsOneStretch(const RectCopy& copy) {
  return copy.rows == 1 || (copy.dstStride == copy.rowBytes && copy.srcStride == copy.rowBytes);
}

/**
 * Reads all of that many bytes; false for an error, or an end of the file. The file's position, which its owner shares,
 * stays where it is.
 */
bool ReadAll(int fd, off_t offset, uint8_t* to, size_t length) {
  while (length > 0) {
    const ssize_t got = pread(fd, to, length, offset);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    offset += got;
    length -= static_cast<size_t>(got);
  }
  return true;
}

}  // namespace

const char* CheckRectCopy(const double numbers[kRectCopyNumbers], size_t dstLength, size_t srcLength, RectCopy* copy) {
  size_t sizes[kRectCopyNumbers];
  for (size_t i = 0; i < kRectCopyNumbers; i++) {
    if (!ToSize(numbers[i], &sizes[i])) return "has a number that is no integer of 0 to 2^53 - 1";
  }
  *copy = {sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]};
  if (copy->rows == 0 || copy->rowBytes == 0) {
    // Its offsets were not checked: they must not be added to an address.
    *copy = {};
    return nullptr;
  }
  if (copy->rows > 1 && (copy->dstStride < copy->rowBytes || copy->srcStride < copy->rowBytes)) {
    // Also what bounds the work: without it, a stride of 0 would allow any number of rows.
    return "has rows longer than their stride";
  }
  if (!Fits(copy->dstOffset, copy->dstStride, copy->rowBytes, copy->rows, dstLength)) {
    return "lies outside of the destination";
  }
  if (!Fits(copy->srcOffset, copy->srcStride, copy->rowBytes, copy->rows, srcLength)) {
    return "lies outside of the source";
  }
  return nullptr;
}

void CopyRect(const RectCopy& copy, uint8_t* dst, const uint8_t* src) {
  // Each moves as memmove does, since nothing keeps two mappings from showing the same memory.
  uint8_t* to = dst + copy.dstOffset;
  const uint8_t* from = src + copy.srcOffset;
  const size_t bytes = copy.rowBytes * copy.rows;
  const auto move = [streams = bytes >= kStreamBytes](uint8_t* t, const uint8_t* f, size_t length) {
    if (streams) {
      StreamCopy(t, f, length);
    } else {
      std::memmove(t, f, length);
    }
  };
  if (IsOneStretch(copy)) {
    move(to, from, bytes);
    return;
  }
  for (size_t row = 0; row < copy.rows; row++) {
    move(to + row * copy.dstStride, from + row * copy.srcStride, copy.rowBytes);
  }
}

bool ReadRect(const RectCopy& copy, uint8_t* dst, int fd) {
  uint8_t* const to = dst + copy.dstOffset;
  const off_t offset = static_cast<off_t>(copy.srcOffset);
  if (IsOneStretch(copy)) return ReadAll(fd, offset, to, copy.rowBytes * copy.rows);
  for (size_t row = 0; row < copy.rows; row++) {
    const off_t at = offset + static_cast<off_t>(row * copy.srcStride);
    if (!ReadAll(fd, at, to + row * copy.dstStride, copy.rowBytes)) return false;
  }
  return true;
}

}  // namespace virtwl
