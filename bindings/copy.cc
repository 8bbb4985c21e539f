#include "copy.h"

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "arguments.h"
#include "copy_job.h"
#include "environment.h"
#include "errors.h"
#include "joined.h"
#include "mapping.h"
#include "rect_copy.h"

namespace virtwl {

namespace {

/** What a Mapping argument has mapped; null after throwing. */
Mapping* MappingOf(Environment& environment, const Arguments& arguments, v8::Local<v8::Value> value, const char* name) {
  MappingObject* object = MappingObject::From(environment, value);
  if (object == nullptr) {
    arguments.ThrowType(name, "a Mapping");
    return nullptr;
  }
  if (object->mapping() == nullptr) {
    Nan::ThrowError((std::string(arguments.call()) + ": " + name + " was unmapped").c_str());
  }
  return object->mapping();
}

/** What copyRects and copyRectsInThread have in common. */
struct Order {
  Mapping* dst = nullptr;
  Mapping* src = nullptr;
  int file = -1;
};

/** Reads and checks the first five arguments; what is to be copied is in environment.rectCopies. False after throwing.
 */
bool ReadOrder(Environment& environment, const Arguments& arguments, const Nan::FunctionCallbackInfo<v8::Value>& info,
               Order* order) {
  order->dst = MappingOf(environment, arguments, info[0], "dst");
  if (order->dst == nullptr) return false;
  order->src = MappingOf(environment, arguments, info[1], "src");
  if (order->src == nullptr) return false;
  if (!order->dst->writable()) {
    arguments.ThrowType("dst", "a writable mapping");
    return false;
  }
  if (!info[4]->IsUndefined() && !arguments.Fd(4, "file", &order->file)) return false;
  Bytes numbers;
  uint64_t count = 0;
  if (!arguments.Integer(3, "count", 0, UINT32_MAX, &count) || !arguments.Doubles(2, "rects", &numbers)) return false;
  if (count > numbers.length() / (kRectCopyNumbers * sizeof(double))) {
    arguments.ThrowRange("count", "at most the rectangles that rects has room for");
    return false;
  }

  // Kept as they were checked: `rects` itself may lie in memory that a peer writes to.
  std::vector<RectCopy>& rectCopies = environment.rectCopies;
  rectCopies.clear();
  for (size_t i = 0; i < count; i++) {
    double six[kRectCopyNumbers];
    std::memcpy(six, numbers.data() + i * sizeof six, sizeof six);
    RectCopy copy;
    const char* problem = CheckRectCopy(six, order->dst->length(), order->src->length(), &copy);
    if (problem != nullptr) {
      std::string message = Joined({arguments.call(), ": rectangle ", std::to_string(i), " ", problem, " ("});
      const char* names[kRectCopyNumbers] = {"dstOffset", "dstStride", "srcOffset", "srcStride", "rowBytes", "rows"};
      for (size_t n = 0; n < kRectCopyNumbers; n++) {
        char number[48];
        snprintf(number, sizeof number, "%s%s %.17g", n == 0 ? "" : ", ", names[n], six[n]);
        message += number;
      }
      message += Joined({"; destination ", std::to_string(order->dst->length()), ", source ",
                         std::to_string(order->src->length()), " bytes)"});
      Nan::ThrowRangeError(message.c_str());
      return false;
    }
    rectCopies.push_back(copy);
  }
  return true;
}

NAN_METHOD(CopyRectsNow) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("copyRects", info);
  Order order;
  if (!ReadOrder(environment, arguments, info, &order)) return;
  const std::vector<RectCopy>& copies = environment.rectCopies;
  const uint64_t copied = CopyRects(copies, order.dst->address(), order.src->address(), order.file);
  environment.counters.copies += copies.size();
  environment.counters.bytesCopied += copied;
  info.GetReturnValue().Set(static_cast<double>(copied));
}

NAN_METHOD(CopyRectsInThread) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("copyRectsInThread", info);
  Order order;
  v8::Local<v8::Function> done;
  if (!arguments.Function(5, "done", &done) || !ReadOrder(environment, arguments, info, &order)) return;
  const int error = CopyJob::Begin(environment, order.dst, order.src, environment.rectCopies, order.file, done);
  if (error < 0) ThrowFdError(-error, "dup", order.file);
}

}  // namespace

void InitializeCopy(Environment& environment, v8::Local<v8::Object> target) {
  Nan::SetMethod(target, "copyRects", CopyRectsNow, environment.Data());
  Nan::SetMethod(target, "copyRectsInThread", CopyRectsInThread, environment.Data());
}

}  // namespace virtwl
