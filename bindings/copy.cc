#include "copy.h"

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include "arguments.h"
#include "environment.h"
#include "mapping.h"
#include "rect_copy.h"

namespace virtwl {

namespace {

/** Bytes of a rectangle from which on reading a file costs less than the page faults of its mapping: some 16 pages. */
constexpr uint64_t kReadBytes = 64 * 1024;

/** What a Mapping argument has mapped; null after throwing. */
Mapping* MappingOf(Environment& environment, const Arguments& arguments, v8::Local<v8::Value> value, const char* name) {
  MappingObject* object = MappingObject::From(environment, value);
  if (object == nullptr) {
    arguments.ThrowType(name, "a Mapping");
    return nullptr;
  }
  if (object->mapping() == nullptr) Nan::ThrowError((std::string("copyRects: ") + name + " was unmapped").c_str());
  return object->mapping();
}

NAN_METHOD(CopyRects) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("copyRects", info);
  Mapping* dst = MappingOf(environment, arguments, info[0], "dst");
  if (dst == nullptr) return;
  Mapping* src = MappingOf(environment, arguments, info[1], "src");
  if (src == nullptr) return;
  if (!dst->writable()) return arguments.ThrowType("dst", "a writable mapping");
  int file = -1;
  if (!info[4]->IsUndefined() && !arguments.Fd(4, "file", &file)) return;
  Bytes numbers;
  uint64_t count = 0;
  if (!arguments.Integer(3, "count", 0, UINT32_MAX, &count) || !arguments.Doubles(2, "rects", &numbers)) return;
  if (count > numbers.length() / (kRectCopyNumbers * sizeof(double))) {
    return arguments.ThrowRange("count", "at most the rectangles that rects has room for");
  }

  // Kept as they were checked: `rects` itself may lie in memory that a peer writes to.
  std::vector<RectCopy>& rectCopies = environment.rectCopies;
  rectCopies.clear();
  for (size_t i = 0; i < count; i++) {
    double six[kRectCopyNumbers];
    std::memcpy(six, numbers.data() + i * sizeof six, sizeof six);
    RectCopy copy;
    const char* problem = CheckRectCopy(six, dst->length(), src->length(), &copy);
    if (problem != nullptr) {
      std::string message = "copyRects: rectangle " + std::to_string(i) + " " + problem + " (";
      const char* names[kRectCopyNumbers] = {"dstOffset", "dstStride", "srcOffset", "srcStride", "rowBytes", "rows"};
      for (size_t n = 0; n < kRectCopyNumbers; n++) {
        char number[48];
        snprintf(number, sizeof number, "%s%s %.17g", n == 0 ? "" : ", ", names[n], six[n]);
        message += number;
      }
      message +=
          "; destination " + std::to_string(dst->length()) + ", source " + std::to_string(src->length()) + " bytes)";
      return Nan::ThrowRangeError(message.c_str());
    }
    rectCopies.push_back(copy);
  }

  uint64_t copied = 0;
  for (const RectCopy& copy : rectCopies) {
    const uint64_t bytes = static_cast<uint64_t>(copy.rowBytes) * copy.rows;
    if (file < 0 || bytes < kReadBytes || !ReadRect(copy, dst->address(), file)) {
      CopyRect(copy, dst->address(), src->address());
    }
    copied += bytes;
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
