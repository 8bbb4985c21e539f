/**
 * Arguments of native functions, checked. For anything that JavaScript passes, a function gets a value in range or
 * throws a TypeError (wrong type) or a RangeError (right type, impossible value) that names the function and the
 * argument.
 *
 * Two rules keep this safe. Reading an array can run JavaScript (a getter), so arrays are read before anything that
 * points into memory. And what points into memory is good for the rest of the one call only.
 */
#ifndef VIRTWL_BINDINGS_ARGUMENTS_H_
#define VIRTWL_BINDINGS_ARGUMENTS_H_

#include <nan.h>

#include <cstddef>
#include <cstdint>

#include "safe_integer.h"

namespace virtwl {

class Environment;

/** SCM_MAX_FD of the kernel (include/net/scm.h): the most descriptors in one message. */
constexpr size_t kMaxMessageFds = 253;

/** The memory of a Uint8Array during one call. */
class Bytes {
 public:
  Bytes() = default;
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;

  uint8_t* data() const { return data_; }
  size_t length() const { return length_; }

 private:
  friend class Arguments;
  /** V8 keeps typed arrays of up to 64 bytes inside its heap, where they may move: those are copied out. */
  static constexpr size_t kInlineLimit = 64;

  uint8_t* data_ = nullptr;
  size_t length_ = 0;
  alignas(8) uint8_t copy_[kInlineLimit];
};

/** Descriptors to send. */
struct FdList {
  int fds[kMaxMessageFds];
  size_t count = 0;
};

class Arguments {
 public:
  /** `call` is the name of the function, for messages. */
  Arguments(const char* call, const Nan::FunctionCallbackInfo<v8::Value>& info) : call_(call), info_(info) {}

  const char* call() const { return call_; }

  // Each returns false after throwing.

  /** An integer of 0 to INT_MAX. Whether it is open is for the kernel to say. */
  bool Fd(int index, const char* name, int* fd) const;
  /** An integer of min to max. */
  bool Integer(int index, const char* name, uint64_t min, uint64_t max, uint64_t* value) const;
  bool Boolean(int index, const char* name, bool* value) const;
  bool Function(int index, const char* name, v8::Local<v8::Function>* function) const;
  /** An array (not one that merely looks like one). */
  bool Array(int index, const char* name, v8::Local<v8::Array>* array) const;
  /** An array of at most `max` descriptors. May run JavaScript. */
  bool Fds(int index, const char* name, size_t max, FdList* fds) const;
  /** A string without NUL; `text` was made from the same argument. */
  bool Text(int index, const char* name, const Nan::Utf8String& text) const;

  /** All of a Uint8Array of at least one byte, to write to. */
  bool WritableBytes(int index, const char* name, Bytes* bytes) const;
  /** The part of the Uint8Array at `index` that the two integers after it name: offset, length. */
  bool ByteRange(int index, const char* name, Bytes* bytes) const;
  /** All of a Float64Array, as bytes. */
  bool Doubles(int index, const char* name, Bytes* bytes) const;

  void ThrowType(const char* name, const char* expected) const;
  void ThrowRange(const char* name, const char* expected) const;

 private:
  bool View(int index, const char* name, bool writable, Bytes* bytes) const;

  const char* call_;
  const Nan::FunctionCallbackInfo<v8::Value>& info_;
};

/**
 * Appends `count` received descriptors to the caller's array, which owns them then. When that fails (a frozen array)
 * it closes those that could not be handed over, throws and returns false.
 */
bool DeliverFds(Environment& environment, const char* call, v8::Local<v8::Array> array, const int* fds, size_t count);

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_ARGUMENTS_H_
