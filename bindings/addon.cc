/**
 * Entry of the addon: hands each file's functions to the `exports` of one environment.
 */
#include <nan.h>

#include "atomic.h"
#include "confine.h"
#include "copy.h"
#include "drm.h"
#include "environment.h"
#include "file.h"
#include "gpu_channel.h"
#include "held_memory.h"
#include "mapping.h"
#include "memory.h"
#include "pass.h"
#include "poll.h"
#include "socket.h"
#include "tmpfs.h"
#include "virtwl.h"

namespace virtwl {

namespace {

v8::Local<v8::Number> Count(uint64_t count) { return Nan::New(static_cast<double>(count)); }

NAN_METHOD(ReadCounters) {
  const Counters& counters = Environment::Of(info).counters;
  v8::Local<v8::Object> snapshot = Nan::New<v8::Object>();
  const auto set = [&snapshot](const char* name, uint64_t count) {
    Nan::Set(snapshot, Nan::New(name).ToLocalChecked(), Count(count)).Check();
  };
  set("mmap", counters.mmap);
  set("munmap", counters.munmap->load(std::memory_order_relaxed));
  set("fdsOpened", counters.fdsOpened);
  set("fdsClosed", counters.fdsClosed);
  set("copies", counters.copies);
  set("bytesCopied", counters.bytesCopied);
  set("sendmsg", counters.sendmsg);
  set("recvmsg", counters.recvmsg);
  info.GetReturnValue().Set(snapshot);
}

void Initialize(v8::Local<v8::Object> target, v8::Local<v8::Object> module) {
  Environment* environment = Environment::Create(v8::Isolate::GetCurrent());
  if (!PrepareBufferProtection(*environment, module)) return;
  InitializeConfine(*environment, target);
  InitializeSockets(*environment, target);
  InitializeFiles(*environment, target);
  InitializeMemory(*environment, target);
  InitializeHeldMemory(*environment, target);
  InitializeTmpfs(*environment, target);
  InitializeMapping(*environment, target);
  InitializeCopy(*environment, target);
  InitializeAtomic(*environment, target);
  InitializeVirtwl(*environment, target);
  InitializeDrm(*environment, target);
  InitializeGpuChannel(*environment, target);
  InitializePoll(*environment, target);
  InitializePass(*environment, target);
  Nan::SetMethod(target, "counters", ReadCounters, environment->Data());
}

}  // namespace

}  // namespace virtwl

// Not NAN_MODULE_WORKER_ENABLED, which is the same but keeps `module` to itself.
NODE_MODULE_INIT() {
  (void)context;
  virtwl::Initialize(exports, module.As<v8::Object>());
}
