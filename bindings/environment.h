/**
 * What the addon keeps for one JavaScript environment (the main thread or one worker). There is no other state, but
 * for the table of mappings that the SIGBUS handler reads, because a signal handler belongs to the process.
 */
#ifndef VIRTWL_BINDINGS_ENVIRONMENT_H_
#define VIRTWL_BINDINGS_ENVIRONMENT_H_

#include <nan.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace virtwl {

class GpuChannel;
class MappingObject;
struct PassConnection;
class PassTypes;
class PollObject;
struct RectCopy;

/** See NativeCounters in src/system/native.ts. */
struct Counters {
  uint64_t mmap = 0;
  uint64_t fdsOpened = 0;
  uint64_t fdsClosed = 0;
  uint64_t copies = 0;
  uint64_t bytesCopied = 0;
  uint64_t sendmsg = 0;
  uint64_t recvmsg = 0;
  /** Atomic and shared: V8 may let go of an ArrayBuffer on another thread, and after the environment has ended. */
  std::shared_ptr<std::atomic<uint64_t>> munmap = std::make_shared<std::atomic<uint64_t>>(0);
};

class Environment {
 public:
  /** Makes the state of the current environment. It ends itself together with the environment. */
  static Environment* Create(v8::Isolate* isolate);

  /** The environment that the called function was made for. */
  static Environment& Of(const Nan::FunctionCallbackInfo<v8::Value>& info) {
    return *static_cast<Environment*>(info.Data().As<v8::External>()->Value());
  }

  /** What functions get as data, so that Of() finds its way back. */
  v8::Local<v8::Value> Data() { return Nan::New<v8::External>(this); }

  /** Counts and closes: for descriptors on error paths. Keeps errno. */
  void CloseFd(int fd);

  Counters counters;
  Nan::Persistent<v8::FunctionTemplate> mappingTemplate;
  Nan::Persistent<v8::FunctionTemplate> pollTemplate;
  /** How the ArrayBuffers of mappings are kept from being taken away; see mapping.cc. One of the two is empty. */
  Nan::Persistent<v8::Value> detachKey;
  Nan::Persistent<v8::Function> markAsUntransferable;

  /** Live objects, intrusive lists. */
  MappingObject* mappings = nullptr;
  PollObject* polls = nullptr;
  /** Watched descriptors: closing one under libuv's feet would make it abort. */
  std::unordered_map<int, PollObject*> watched;
  /** Relays that pass messages natively, by number; see pass.cc. */
  std::unordered_map<uint32_t, std::shared_ptr<PassConnection>> passes;
  uint32_t lastPass = 0;
  /** What passes, by number. */
  std::unordered_map<uint32_t, std::shared_ptr<PassTypes>> passTypes;
  uint32_t lastPassTypes = 0;
  /** Channels of virtio_gpu, by their descriptors; see gpu_channel.cc. Each ends with its descriptor. */
  std::unordered_map<int, std::shared_ptr<GpuChannel>> gpuChannels;
  /** libuv handles whose close callback has not come yet, and copies that are under way. */
  size_t closingHandles = 0;
  /** What was counted there reports here; the last one ends an environment that is being torn down. */
  void HandleClosed();
  /** Whether it is being torn down: no JavaScript is to be called. */
  bool ending() const { return done_ != nullptr; }

  /** Room that calls reuse, so that none of them allocates when things are steady. */
  std::vector<RectCopy> rectCopies;
  std::vector<uint8_t> transaction;

 private:
  Environment() = default;
  ~Environment();
  /** Runs when the environment ends; calls `done(doneData)` when all libuv handles are closed. */
  static void CleanUp(void* self, void (*done)(void*), void* doneData);

  node::AsyncCleanupHookHandle hook_;
  void (*done_)(void*) = nullptr;
  void* doneData_ = nullptr;
};

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_ENVIRONMENT_H_
