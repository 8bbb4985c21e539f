/**
 * Shared memory as an ArrayBuffer. A Mapping is one mmap(2). Two hold it: the JavaScript Mapping, until unmap() or the
 * garbage collector, and the ArrayBuffer's backing store, until the buffer is detached or collected; the last to let go
 * calls munmap(2), in any order in which the collector finds them.
 *
 * What a Mapping and its methods do is documented in src/system/native.ts.
 */
#ifndef VIRTWL_BINDINGS_MAPPING_H_
#define VIRTWL_BINDINGS_MAPPING_H_

#include <nan.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace virtwl {

class Environment;
struct GuardedRange;

/** One mmap, counted references. */
class Mapping {
 public:
  /** Takes over `mapped` bytes, of which it shows `length` from `offset` on; one reference, the caller's. */
  Mapping(void* base, size_t mapped, size_t offset, size_t length, bool writable,
          std::shared_ptr<std::atomic<uint64_t>> munmaps);
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  void Hold();
  /** Unmaps with the last reference. Any thread. */
  void LetGo();

  uint8_t* address() const { return address_; }
  size_t length() const { return length_; }
  bool writable() const { return writable_; }
  bool faulted() const;
  /** As long as it is held. */
  const GuardedRange* guard() const { return guard_; }

 private:
  ~Mapping();

  void* const base_;
  const size_t mapped_;
  uint8_t* const address_;
  const size_t length_;
  const bool writable_;
  GuardedRange* const guard_;
  std::atomic<int> references_{1};
  std::shared_ptr<std::atomic<uint64_t>> munmaps_;
};

/** The native half of a JavaScript Mapping. */
class MappingObject {
 public:
  /** The native half of `value`, or null when it is no Mapping of this environment. */
  static MappingObject* From(Environment& environment, v8::Local<v8::Value> value);

  /** Takes the mapping's reference over and ties itself to `object`. */
  MappingObject(Environment& environment, v8::Local<v8::Object> object, Mapping* mapping);
  MappingObject(const MappingObject&) = delete;
  MappingObject& operator=(const MappingObject&) = delete;

  /** Null once unmapped. */
  Mapping* mapping() const { return mapping_; }
  /** Whether there had been a fault when it was unmapped, or is one now. */
  bool faulted() const { return mapping_ != nullptr ? mapping_->faulted() : faulted_; }
  void LetGoOfMapping();
  void EndWithEnvironment() { delete this; }

 private:
  ~MappingObject();
  static void Collected(const v8::WeakCallbackInfo<MappingObject>& info);

  Environment& environment_;
  v8::Global<v8::Object> object_;
  Mapping* mapping_;
  bool faulted_ = false;
  MappingObject* previous_ = nullptr;
  MappingObject* next_ = nullptr;
};

/**
 * Finds out how this Node.js keeps an ArrayBuffer from being taken away. `module` is the module that loads the addon.
 * False after throwing.
 */
bool PrepareBufferProtection(Environment& environment, v8::Local<v8::Object> module);

void InitializeMapping(Environment& environment, v8::Local<v8::Object> target);

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_MAPPING_H_
