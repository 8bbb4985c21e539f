#include "mapping.h"

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "arguments.h"
#include "environment.h"
#include "errors.h"
#include "sigbus.h"

namespace virtwl {

namespace {

/** Internal fields of a JavaScript Mapping. */
enum Field { kNative, kBuffer, kFieldCount };

/** DMA_BUF_MAGIC of linux/magic.h, which older headers lack. */
constexpr uint64_t kDmaBufMagic = 0x444d4142;

/**
 * The longest mapping in bytes: 4 GiB, since every V8 since Node.js 20's makes ArrayBuffers of that length (and aborts
 * on longer ones than it makes); 1 GiB where pointers have 32 bits.
 */
constexpr uint64_t kMaxMappingLength = uint64_t{1} << (sizeof(void*) == 8 ? 32 : 30);

}  // namespace

Mapping::Mapping(void* base, size_t mapped, size_t offset, size_t length, bool writable,
                 std::shared_ptr<std::atomic<uint64_t>> munmaps)
    : base_(base),
      mapped_(mapped),
      address_(static_cast<uint8_t*>(base) + offset),
      length_(length),
      writable_(writable),
      guard_(GuardRange(base, mapped, writable ? PROT_READ | PROT_WRITE : PROT_READ)),
      munmaps_(std::move(munmaps)) {}

Mapping::~Mapping() {
  UnguardRange(guard_);
  munmap(base_, mapped_);
  munmaps_->fetch_add(1, std::memory_order_relaxed);
}

void Mapping::Hold() { references_.fetch_add(1, std::memory_order_relaxed); }

void Mapping::LetGo() {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

bool Mapping::faulted() const { return RangeFaulted(guard_); }

MappingObject::MappingObject(Environment& environment, v8::Local<v8::Object> object, Mapping* mapping)
    : environment_(environment),
      object_(v8::Isolate::GetCurrent(), object),
      mapping_(mapping),
      next_(environment.mappings) {
  object->SetAlignedPointerInInternalField(kNative, this);
  object_.SetWeak(this, Collected, v8::WeakCallbackType::kParameter);
  if (next_ != nullptr) next_->previous_ = this;
  environment.mappings = this;
}

MappingObject::~MappingObject() {
  object_.Reset();
  LetGoOfMapping();
  if (next_ != nullptr) next_->previous_ = previous_;
  if (previous_ != nullptr) {
    previous_->next_ = next_;
  } else {
    environment_.mappings = next_;
  }
}

void MappingObject::LetGoOfMapping() {
  if (mapping_ == nullptr) return;
  faulted_ = mapping_->faulted();
  mapping_->LetGo();
  mapping_ = nullptr;
}

void MappingObject::Collected(const v8::WeakCallbackInfo<MappingObject>& info) { delete info.GetParameter(); }

MappingObject* MappingObject::From(Environment& environment, v8::Local<v8::Value> value) {
  if (!value->IsObject() || !Nan::New(environment.mappingTemplate)->HasInstance(value)) return nullptr;
  return static_cast<MappingObject*>(value.As<v8::Object>()->GetAlignedPointerFromInternalField(kNative));
}

namespace {

NAN_METHOD(ConstructMapping) { Nan::ThrowTypeError("a Mapping is made by map()"); }

/** The Mapping that a getter or method was called on. V8 has checked the receiver against the template. */
MappingObject& Receiver(const Nan::FunctionCallbackInfo<v8::Value>& info) {
  return *static_cast<MappingObject*>(info.This()->GetAlignedPointerFromInternalField(kNative));
}

/** The key with which mappings' buffers are detached: none where they have none. */
v8::Local<v8::Value> DetachKey(Environment& environment) {
  return environment.detachKey.IsEmpty() ? v8::Local<v8::Value>() : Nan::New(environment.detachKey);
}

/** Lets nothing but unmap() detach the buffer, as far as this Node.js can. False after throwing. */
bool ProtectBuffer(Environment& environment, v8::Local<v8::Object> mapping, v8::Local<v8::ArrayBuffer> buffer) {
  if (!environment.detachKey.IsEmpty()) {
    buffer->SetDetachKey(DetachKey(environment));
    return true;
  }
  v8::Local<v8::Value> marked[] = {buffer};
  return !Nan::Call(Nan::New(environment.markAsUntransferable), mapping, 1, marked).IsEmpty();
}

/** The ArrayBuffer of a Mapping that was not unmapped. */
v8::Local<v8::ArrayBuffer> BufferOf(const Nan::FunctionCallbackInfo<v8::Value>& info) {
  return info.This()->GetInternalField(kBuffer).As<v8::Value>().As<v8::ArrayBuffer>();
}

NAN_METHOD(GetBuffer) {
  if (Receiver(info).mapping() == nullptr) return Nan::ThrowError("the mapping was unmapped");
  v8::Local<v8::ArrayBuffer> buffer = BufferOf(info);
  if (buffer->WasDetached()) return Nan::ThrowError("the buffer of the mapping was transferred to another owner");
  info.GetReturnValue().Set(buffer);
}

NAN_METHOD(GetLength) {
  const Mapping* mapping = Receiver(info).mapping();
  info.GetReturnValue().Set(mapping == nullptr ? 0.0 : static_cast<double>(mapping->length()));
}

NAN_METHOD(GetFaulted) { info.GetReturnValue().Set(Receiver(info).faulted()); }

NAN_METHOD(Unmap) {
  Environment& environment = Environment::Of(info);
  MappingObject& object = Receiver(info);
  if (object.mapping() == nullptr) return Nan::ThrowError("the mapping was unmapped already");
  v8::Local<v8::ArrayBuffer> buffer = BufferOf(info);
  // A program that calls markAsUntransferable() with the buffer puts another key in the place of ours.
  if (!environment.detachKey.IsEmpty()) buffer->SetDetachKey(DetachKey(environment));
  // A buffer that was transferred holds the mapping for itself: the memory stays as long as the taker's buffer.
  if (!buffer->WasDetached() && !buffer->Detach(DetachKey(environment)).FromMaybe(false)) return;
  info.This()->SetInternalField(kBuffer, Nan::Undefined());
  object.LetGoOfMapping();
}

NAN_METHOD(Map) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("map", info);
  const uint64_t pageSize = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  int fd;
  uint64_t offset = 0;
  uint64_t length = 0;
  bool writable = false;
  if (!arguments.Fd(0, "fd", &fd) || !arguments.Integer(1, "offset", 0, kMaxSafeInteger, &offset) ||
      !arguments.Integer(2, "length", 1, kMaxMappingLength, &length) || !arguments.Boolean(3, "writable", &writable)) {
    return;
  }
  if (offset % pageSize != 0) return arguments.ThrowRange("offset", "a multiple of the page size");

  // The kernel replaces and unmaps huge pages only as a whole, so neither the SIGBUS guard nor munmap would work.
  struct statfs filesystem;
  const uint64_t kind = fstatfs(fd, &filesystem) == 0 ? static_cast<uint64_t>(filesystem.f_type) : 0;
  if (kind == HUGETLBFS_MAGIC) return ThrowFdError(EOPNOTSUPP, "mmap", fd);

  // Host memory of a virtio_gpu device is a dma-buf, which that driver maps only as a whole.
  const bool whole = kind == kDmaBufMagic;
  uint64_t mapped = length;
  if (whole) {
    struct stat status;
    if (fstat(fd, &status) < 0) return ThrowFdError(errno, "fstat", fd);
    mapped = static_cast<uint64_t>(status.st_size);
    if (offset > mapped || length > (mapped - offset + pageSize - 1) / pageSize * pageSize) {
      return ThrowFdError(EINVAL, "mmap", fd);
    }
  }
  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  void* base = mmap(nullptr, mapped, protection, MAP_SHARED, fd, whole ? 0 : static_cast<off_t>(offset));
  if (base == MAP_FAILED) {
    if (!whole || errno != EINVAL) return ThrowFdError(errno, "mmap", fd);
    ErrorDetails details;
    details.fd = fd;
    details.advice =
        "the host has not mapped this memory into the VM, most likely because all places for that are taken "
        "(virtwl host --max-mappings)";
    return ThrowSystemError(ENOMEM, "mmap", details);
  }
  environment.counters.mmap++;
  Mapping* mapping = new Mapping(base, mapped, whole ? offset : 0, length, writable, environment.counters.munmap);
  uint8_t* address = mapping->address();

  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  v8::Local<v8::Object> object;
  if (!Nan::NewInstance(Nan::New(environment.mappingTemplate)->InstanceTemplate()).ToLocal(&object)) {
    mapping->LetGo();
    return;
  }
  new MappingObject(environment, object, mapping);
  // V8 counts the length of this backing store as external memory by itself, and collects sooner for it: that is
  // welcome, as address space is what a forgotten mapping costs. Nothing to add with AdjustAmountOfExternalMemory.
  mapping->Hold();
  std::unique_ptr<v8::BackingStore> store = v8::ArrayBuffer::NewBackingStore(
      address, length, [](void*, size_t, void* held) { static_cast<Mapping*>(held)->LetGo(); }, mapping);
  v8::Local<v8::ArrayBuffer> buffer = v8::ArrayBuffer::New(isolate, std::move(store));
  object->SetInternalField(kBuffer, buffer);
  if (!ProtectBuffer(environment, object, buffer)) return;
  info.GetReturnValue().Set(object);
}

void SetGetter(v8::Local<v8::FunctionTemplate> type, const char* name, Nan::FunctionCallback getter,
               v8::Local<v8::Value> data) {
  v8::Local<v8::FunctionTemplate> function =
      Nan::New<v8::FunctionTemplate>(getter, data, Nan::New<v8::Signature>(type));
  type->PrototypeTemplate()->SetAccessorProperty(Nan::New(name).ToLocalChecked(), function);
}

}  // namespace

/**
 * There are two ways. A detach key, which V8 compares before it detaches the buffer, protects it from every caller; but
 * Node.js 20 aborts in structuredClone(), and Node.js 22 in ArrayBuffer.prototype.transfer(), when they meet one. So
 * there the buffer is only marked as untransferable, which protects it from postMessage() and structuredClone(); if it
 * is transferred all the same, the reference that it holds keeps its memory in place. The Node.js that can cope with
 * keys is the one whose own markAsUntransferable() sets one.
 */
bool PrepareBufferProtection(Environment& environment, v8::Local<v8::Object> module) {
  v8::Local<v8::Value> require;
  if (!Nan::Get(module, Nan::New("require").ToLocalChecked()).ToLocal(&require)) return false;
  if (!require->IsFunction()) {
    Nan::ThrowError("virtwl.node must be loaded by require()");
    return false;
  }
  v8::Local<v8::Value> name[] = {Nan::New("node:worker_threads").ToLocalChecked()};
  v8::Local<v8::Value> exports;
  v8::Local<v8::Value> mark;
  if (!Nan::Call(require.As<v8::Function>(), module, 1, name).ToLocal(&exports) || !exports->IsObject() ||
      !Nan::Get(exports.As<v8::Object>(), Nan::New("markAsUntransferable").ToLocalChecked()).ToLocal(&mark)) {
    return false;
  }

  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  v8::Local<v8::ArrayBuffer> trial = v8::ArrayBuffer::New(isolate, 1);
  v8::Local<v8::Value> marked[] = {trial};
  if (Nan::Call(mark.As<v8::Function>(), module, 1, marked).IsEmpty()) return false;
  const Nan::TryCatch refusal;
  if (trial->Detach(v8::Local<v8::Value>()).FromMaybe(false)) {
    environment.markAsUntransferable.Reset(mark.As<v8::Function>());
  } else {
    environment.detachKey.Reset(v8::Symbol::New(isolate).As<v8::Value>());
  }
  return true;
}

void InitializeMapping(Environment& environment, v8::Local<v8::Object> target) {
  v8::Local<v8::Value> data = environment.Data();
  v8::Local<v8::FunctionTemplate> type = Nan::New<v8::FunctionTemplate>(ConstructMapping);
  type->SetClassName(Nan::New("Mapping").ToLocalChecked());
  type->InstanceTemplate()->SetInternalFieldCount(kFieldCount);
  SetGetter(type, "buffer", GetBuffer, data);
  SetGetter(type, "length", GetLength, data);
  SetGetter(type, "faulted", GetFaulted, data);
  Nan::SetPrototypeMethod(type, "unmap", Unmap, data);
  environment.mappingTemplate.Reset(type);
  Nan::SetMethod(target, "map", Map, data);
  Nan::Set(target, Nan::New("pageSize").ToLocalChecked(), Nan::New(static_cast<double>(sysconf(_SC_PAGESIZE)))).Check();
}

}  // namespace virtwl
