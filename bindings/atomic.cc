#include "atomic.h"

#include <atomic>
#include <string>

#include "arguments.h"
#include "environment.h"
#include "joined.h"
#include "mapping.h"

namespace virtwl {

namespace {

/** Where the 16-bit number at `info[1]` of the mapping `info[0]` lies; null after throwing. */
uint16_t* Place(Environment& environment, const Arguments& arguments, const Nan::FunctionCallbackInfo<v8::Value>& info,
                const char* call, bool write) {
  MappingObject* object = MappingObject::From(environment, info[0]);
  if (object == nullptr) {
    arguments.ThrowType("mapping", "a Mapping");
    return nullptr;
  }
  uint64_t offset = 0;
  if (!arguments.Integer(1, "offset", 0, kMaxSafeInteger, &offset)) return nullptr;
  Mapping* mapping = object->mapping();
  if (mapping == nullptr) {
    Nan::ThrowError((std::string(call) + ": the mapping was unmapped").c_str());
    return nullptr;
  }
  if (write && !mapping->writable()) {
    arguments.ThrowType("mapping", "a writable mapping");
    return nullptr;
  }
  if (offset % sizeof(uint16_t) != 0) {
    arguments.ThrowRange("offset", "a multiple of 2");
    return nullptr;
  }
  if (offset >= mapping->length() || mapping->length() - offset < sizeof(uint16_t)) {
    arguments.ThrowRange(
        "offset", Joined({"less than ", std::to_string(mapping->length()), " by 2, the mapping's length"}).c_str());
    return nullptr;
  }
  // Aligned, since mappings begin at a page.
  return reinterpret_cast<uint16_t*>(mapping->address() + offset);
}

NAN_METHOD(LoadAcquire16) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("loadAcquire16", info);
  const uint16_t* place = Place(environment, arguments, info, "loadAcquire16", false);
  if (place != nullptr) info.GetReturnValue().Set(static_cast<uint32_t>(__atomic_load_n(place, __ATOMIC_ACQUIRE)));
}

NAN_METHOD(StoreRelease16) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("storeRelease16", info);
  uint16_t* place = Place(environment, arguments, info, "storeRelease16", true);
  uint64_t value = 0;
  if (place == nullptr || !arguments.Integer(2, "value", 0, UINT16_MAX, &value)) return;
  __atomic_store_n(place, static_cast<uint16_t>(value), __ATOMIC_RELEASE);
}

NAN_METHOD(Fence) { std::atomic_thread_fence(std::memory_order_seq_cst); }

}  // namespace

void InitializeAtomic(Environment& environment, v8::Local<v8::Object> target) {
  v8::Local<v8::Value> data = environment.Data();
  Nan::SetMethod(target, "loadAcquire16", LoadAcquire16, data);
  Nan::SetMethod(target, "storeRelease16", StoreRelease16, data);
  Nan::SetMethod(target, "fence", Fence, data);
}

}  // namespace virtwl
