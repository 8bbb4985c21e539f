#include "arguments.h"

#include <climits>
#include <cmath>
#include <cstring>
#include <string>

#include "environment.h"
#include "joined.h"

namespace virtwl {

void Arguments::ThrowType(const char* name, const char* expected) const {
  Nan::ThrowTypeError((std::string(call_) + ": " + name + " must be " + expected).c_str());
}

void Arguments::ThrowRange(const char* name, const char* expected) const {
  Nan::ThrowRangeError((std::string(call_) + ": " + name + " must be " + expected).c_str());
}

namespace {

/** A JavaScript number as an integer of min to max; NaN, infinities and fractions are none. */
bool ToInteger(v8::Local<v8::Value> value, uint64_t min, uint64_t max, uint64_t* integer) {
  const double number = value.As<v8::Number>()->Value();
  if (!(number >= 0) || number > static_cast<double>(kMaxSafeInteger) || std::trunc(number) != number) return false;
  const uint64_t exact = static_cast<uint64_t>(number);
  if (exact < min || exact > max) return false;
  *integer = exact;
  return true;
}

}  // namespace

bool Arguments::Integer(int index, const char* name, uint64_t min, uint64_t max, uint64_t* value) const {
  if (!info_[index]->IsNumber()) {
    ThrowType(name, "a number");
    return false;
  }
  if (!ToInteger(info_[index], min, max, value)) {
    ThrowRange(name, Joined({"an integer of ", std::to_string(min), " to ", std::to_string(max)}).c_str());
    return false;
  }
  return true;
}

bool Arguments::Fd(int index, const char* name, int* fd) const {
  uint64_t value = 0;
  if (!Integer(index, name, 0, INT_MAX, &value)) return false;
  *fd = static_cast<int>(value);
  return true;
}

bool Arguments::Boolean(int index, const char* name, bool* value) const {
  if (!info_[index]->IsBoolean()) {
    ThrowType(name, "a boolean");
    return false;
  }
  *value = info_[index]->IsTrue();
  return true;
}

bool Arguments::Function(int index, const char* name, v8::Local<v8::Function>* function) const {
  if (!info_[index]->IsFunction()) {
    ThrowType(name, "a function");
    return false;
  }
  *function = info_[index].As<v8::Function>();
  return true;
}

bool Arguments::Array(int index, const char* name, v8::Local<v8::Array>* array) const {
  if (!info_[index]->IsArray()) {
    ThrowType(name, "an array");
    return false;
  }
  *array = info_[index].As<v8::Array>();
  return true;
}

bool Arguments::Fds(int index, const char* name, size_t max, FdList* fds) const {
  v8::Local<v8::Array> array;
  if (!Array(index, name, &array)) return false;
  const uint32_t count = array->Length();
  if (count > max) {
    ThrowRange(name, Joined({"at most ", std::to_string(max), " descriptors"}).c_str());
    return false;
  }
  for (uint32_t i = 0; i < count; i++) {
    v8::Local<v8::Value> element;
    if (!Nan::Get(array, i).ToLocal(&element)) return false;
    uint64_t fd = 0;
    if (!element->IsNumber()) {
      ThrowType(name, "an array of numbers");
      return false;
    }
    if (!ToInteger(element, 0, INT_MAX, &fd)) {
      ThrowRange(name, "an array of file descriptors");
      return false;
    }
    fds->fds[i] = static_cast<int>(fd);
  }
  fds->count = count;
  return true;
}

bool Arguments::Text(int index, const char* name, const Nan::Utf8String& text) const {
  if (!info_[index]->IsString()) {
    ThrowType(name, "a string");
    return false;
  }
  if (*text == nullptr || std::memchr(*text, 0, static_cast<size_t>(text.length())) != nullptr) {
    ThrowType(name, "a string without NUL characters");
    return false;
  }
  return true;
}

bool Arguments::View(int index, const char* name, bool writable, Bytes* bytes) const {
  v8::Local<v8::ArrayBufferView> view = info_[index].As<v8::ArrayBufferView>();
  const size_t length = view->ByteLength();
  if (!writable && !view->HasBuffer() && length <= Bytes::kInlineLimit) {
    view->CopyContents(bytes->copy_, length);
    bytes->data_ = bytes->copy_;
  } else {
    v8::Local<v8::ArrayBuffer> buffer = view->Buffer();
    // Asked only of what has no length left: a SharedArrayBuffer comes as an ArrayBuffer here, and is never detached.
    if (length == 0 && !buffer->IsSharedArrayBuffer() && buffer->WasDetached()) {
      ThrowType(name, "an array whose buffer is not detached");
      return false;
    }
    bytes->data_ = static_cast<uint8_t*>(buffer->Data()) + view->ByteOffset();
  }
  bytes->length_ = length;
  return true;
}

bool Arguments::WritableBytes(int index, const char* name, Bytes* bytes) const {
  if (!info_[index]->IsUint8Array()) {
    ThrowType(name, "a Uint8Array");
    return false;
  }
  if (!View(index, name, true, bytes)) return false;
  if (bytes->length_ == 0) {
    // The kernel would say 0, and 0 means the end of the stream.
    ThrowRange(name, "at least one byte long");
    return false;
  }
  return true;
}

bool Arguments::ByteRange(int index, const char* name, Bytes* bytes) const {
  uint64_t offset = 0;
  uint64_t length = 0;
  if (!info_[index]->IsUint8Array()) {
    ThrowType(name, "a Uint8Array");
    return false;
  }
  if (!Integer(index + 1, "offset", 0, kMaxSafeInteger, &offset)) return false;
  if (!Integer(index + 2, "length", 0, kMaxSafeInteger, &length)) return false;
  if (!View(index, name, false, bytes)) return false;
  if (offset > bytes->length_ || length > bytes->length_ - offset) {
    ThrowRange("offset + length",
               Joined({"at most ", std::to_string(bytes->length_), ", the length of ", name}).c_str());
    return false;
  }
  // An empty array has no memory: adding to its null pointer would be undefined.
  if (offset > 0) bytes->data_ += offset;
  bytes->length_ = length;
  return true;
}

bool Arguments::Doubles(int index, const char* name, Bytes* bytes) const {
  if (!info_[index]->IsFloat64Array()) {
    ThrowType(name, "a Float64Array");
    return false;
  }
  return View(index, name, false, bytes);
}

bool DeliverFds(Environment& environment, const char* call, v8::Local<v8::Array> array, const int* fds, size_t count) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  v8::Local<v8::Context> context = isolate->GetCurrentContext();
  const uint32_t start = array->Length();
  for (size_t i = 0; i < count; i++) {
    // CreateDataProperty and not Set: it calls no setter, so nothing foreign runs between the descriptors.
    const bool added =
        start < UINT32_MAX - kMaxMessageFds - 1 &&
        array->CreateDataProperty(context, start + static_cast<uint32_t>(i), Nan::New(fds[i])).FromMaybe(false);
    if (added) continue;
    for (size_t rest = i; rest < count; rest++) environment.CloseFd(fds[rest]);
    Nan::ThrowTypeError((std::string(call) + ": fds must be an array that can be added to").c_str());
    return false;
  }
  return true;
}

}  // namespace virtwl
