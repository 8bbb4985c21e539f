#include "copy.h"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include "arguments.h"
#include "environment.h"
#include "mapping.h"

namespace virtwl {

namespace {

/** Numbers that describe one rectangle. */
constexpr size_t kNumbers = 6;

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

/** Null when the six numbers describe a rectangle that may be copied, else what is wrong with them. */
const char* Check(const double numbers[kNumbers], const Region& dst, const Region& src, Rectangle* rectangle) {
  size_t sizes[kNumbers];
  for (size_t i = 0; i < kNumbers; i++) {
    if (!ToSize(numbers[i], &sizes[i])) return "has a number that is no integer of 0 to 2^53 - 1";
  }
  *rectangle = {sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]};
  if (rectangle->rows == 0 || rectangle->rowBytes == 0) {
    rectangle->rows = 0;
    rectangle->rowBytes = 0;
    return nullptr;
  }
  if (rectangle->rows > 1 && (rectangle->dstStride < rectangle->rowBytes || rectangle->srcStride < rectangle->rowBytes)) {
    // Also what bounds the work: without it, a stride of 0 would allow any number of rows.
    return "has rows longer than their stride";
  }
  if (!Fits(rectangle->dstOffset, rectangle->dstStride, rectangle->rowBytes, rectangle->rows, dst.length())) {
    return "lies outside of the destination";
  }
  if (!Fits(rectangle->srcOffset, rectangle->srcStride, rectangle->rowBytes, rectangle->rows, src.length())) {
    return "lies outside of the source";
  }
  return nullptr;
}

/** memmove, since nothing keeps two mappings from showing the same memory. */
void Copy(const Rectangle& rectangle, uint8_t* dst, const uint8_t* src) {
  uint8_t* to = dst + rectangle.dstOffset;
  const uint8_t* from = src + rectangle.srcOffset;
  if (rectangle.rows == 1 ||
      (rectangle.dstStride == rectangle.rowBytes && rectangle.srcStride == rectangle.rowBytes)) {
    std::memmove(to, from, rectangle.rowBytes * rectangle.rows);
    return;
  }
  for (size_t row = 0; row < rectangle.rows; row++) {
    std::memmove(to + row * rectangle.dstStride, from + row * rectangle.srcStride, rectangle.rowBytes);
  }
}

/** The region of a Mapping argument; null after throwing. */
Region* RegionOf(Environment& environment, const Arguments& arguments, v8::Local<v8::Value> value, const char* name) {
  MappingObject* mapping = MappingObject::From(environment, value);
  if (mapping == nullptr) {
    arguments.ThrowType(name, "a Mapping");
    return nullptr;
  }
  if (mapping->region() == nullptr) Nan::ThrowError((std::string("copyRects: ") + name + " was unmapped").c_str());
  return mapping->region();
}

NAN_METHOD(CopyRects) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("copyRects", info);
  Region* dst = RegionOf(environment, arguments, info[0], "dst");
  if (dst == nullptr) return;
  Region* src = RegionOf(environment, arguments, info[1], "src");
  if (src == nullptr) return;
  if (!dst->writable()) return arguments.ThrowType("dst", "a writable mapping");
  Bytes numbers;
  uint64_t count = 0;
  if (!arguments.Integer(3, "count", 0, UINT32_MAX, &count) || !arguments.Doubles(2, "rects", &numbers)) return;
  if (count > numbers.length() / (kNumbers * sizeof(double))) {
    return arguments.ThrowRange("count", "at most the rectangles that rects has room for");
  }

  // Kept as they were checked: `rects` itself may lie in memory that somebody else writes to.
  std::vector<Rectangle>& rectangles = environment.rectangles;
  rectangles.clear();
  for (size_t i = 0; i < count; i++) {
    double six[kNumbers];
    std::memcpy(six, numbers.data() + i * sizeof six, sizeof six);
    Rectangle rectangle;
    const char* problem = Check(six, *dst, *src, &rectangle);
    if (problem != nullptr) {
      std::string message = "copyRects: rectangle " + std::to_string(i) + " " + problem + " (";
      const char* names[kNumbers] = {"dstOffset", "dstStride", "srcOffset", "srcStride", "rowBytes", "rows"};
      for (size_t n = 0; n < kNumbers; n++) {
        char number[48];
        snprintf(number, sizeof number, "%s%s %.17g", n == 0 ? "" : ", ", names[n], six[n]);
        message += number;
      }
      message += "; destination " + std::to_string(dst->length()) + ", source " + std::to_string(src->length()) +
                 " bytes)";
      return Nan::ThrowRangeError(message.c_str());
    }
    rectangles.push_back(rectangle);
  }

  uint64_t copied = 0;
  for (const Rectangle& rectangle : rectangles) {
    Copy(rectangle, dst->address(), src->address());
    copied += static_cast<uint64_t>(rectangle.rowBytes) * rectangle.rows;
  }
  environment.counters.copies += count;
  environment.counters.bytesCopied += copied;
  info.GetReturnValue().Set(static_cast<double>(copied));
}

}  // namespace

void InitializeCopy(Environment& environment, v8::Local<v8::Object> target) {
  Nan::SetMethod(target, "copyRects", CopyRects, environment.Data());
}

}  // namespace virtwl
