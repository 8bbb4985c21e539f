/**
 * libFuzzer: rectangles as JavaScript may give them, checked and copied. What is said to fit must fit by arithmetic
 * that cannot overflow, and be copied byte for byte; what is refused must not fit. Both memories end exactly where the
 * sanitizer watches, and at times they are one.
 */
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "../../../bindings/rect_copy.h"
#include "draw.h"

namespace {

using virtwl::CheckRectCopy;
using virtwl::CopyRect;
using virtwl::kRectCopyNumbers;
using virtwl::RectCopy;
using Wide = unsigned __int128;

/** Numbers at which conversions and sums go wrong. */
constexpr double kAwkward[] = {
    -1,    -0.0,   0.5, 1.5, 4294967295.0, 4294967296.0, 9007199254740991.0, 9007199254740992.0, 18446744073709551615.0,
    1e308, 5e-324,
};

double DrawNumber(Draw& draw, size_t near) {
  switch (draw.Below(8)) {
    case 0:
      return kAwkward[draw.Below(sizeof kAwkward / sizeof kAwkward[0])];
    case 1:
      return std::numeric_limits<double>::quiet_NaN();
    case 2:
      return std::numeric_limits<double>::infinity();
    case 3:
      return draw.Double();
    case 4:
      return static_cast<double>(near) + static_cast<double>(draw.Byte()) - 128;
    default:
      return draw.Below(static_cast<uint32_t>(near / 2 + 2));
  }
}

/** The same question, asked of numbers without an end. */
bool Fits(const double* numbers, size_t dstLength, size_t srcLength) {
  Wide sizes[kRectCopyNumbers];
  for (size_t i = 0; i < kRectCopyNumbers; i++) {
    if (!std::isfinite(numbers[i]) || numbers[i] < 0 || numbers[i] > 9007199254740991.0 ||
        std::floor(numbers[i]) != numbers[i]) {
      return false;
    }
    sizes[i] = static_cast<Wide>(numbers[i]);
  }
  const auto [dstOffset, dstStride, srcOffset, srcStride, rowBytes, rows] = sizes;
  if (rows == 0 || rowBytes == 0) return true;
  if (rows > 1 && (dstStride < rowBytes || srcStride < rowBytes)) return false;
  return dstOffset + (rows - 1) * dstStride + rowBytes <= dstLength &&
         srcOffset + (rows - 1) * srcStride + rowBytes <= srcLength;
}

[[noreturn]] void Wrong(const char* what) {
  fprintf(stderr, "copy_rects: %s\n", what);
  abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Draw draw(data, size);
  const size_t dstLength = 1 + draw.Below(600);
  const bool same = draw.Below(4) == 0;
  const size_t srcLength = same ? dstLength : 1 + draw.Below(600);
  const std::unique_ptr<uint8_t[]> dst(new uint8_t[dstLength]);
  const std::unique_ptr<uint8_t[]> other(same ? nullptr : new uint8_t[srcLength]);
  uint8_t* const src = same ? dst.get() : other.get();
  for (size_t i = 0; i < dstLength; i++) dst[i] = static_cast<uint8_t>(i * 7);
  if (!same)
    for (size_t i = 0; i < srcLength; i++) src[i] = static_cast<uint8_t>(i * 13 + 1);

  while (!draw.done()) {
    double numbers[kRectCopyNumbers];
    for (double& number : numbers) number = DrawNumber(draw, dstLength);
    RectCopy copy;
    const char* problem = CheckRectCopy(numbers, dstLength, srcLength, &copy);
    if ((problem == nullptr) != Fits(numbers, dstLength, srcLength)) Wrong(problem == nullptr ? "accepted" : problem);
    if (problem != nullptr) continue;

    std::vector<uint8_t> expected(dst.get(), dst.get() + dstLength);
    const std::vector<uint8_t> before(src, src + srcLength);
    // In one memory, rows that were copied may be what later rows are copied from, one row after the other.
    const bool together = copy.rows > 0 && copy.dstStride == copy.rowBytes && copy.srcStride == copy.rowBytes;
    for (size_t row = 0; row < copy.rows; row++) {
      std::vector<uint8_t> moved(copy.rowBytes);
      for (size_t i = 0; i < copy.rowBytes; i++) {
        const size_t from = copy.srcOffset + row * copy.srcStride + i;
        moved[i] = same && !together ? expected[from] : before[from];
      }
      for (size_t i = 0; i < copy.rowBytes; i++) expected[copy.dstOffset + row * copy.dstStride + i] = moved[i];
    }
    CopyRect(copy, dst.get(), src);
    if (std::memcmp(expected.data(), dst.get(), dstLength) != 0) Wrong("copied something else");
    if (!same && std::memcmp(before.data(), src, srcLength) != 0) Wrong("changed the source");
  }
  return 0;
}
