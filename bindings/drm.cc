#include "drm.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>

#include "arguments.h"
#include "environment.h"
#include "errors.h"
#include "virtgpu_uapi.h"

namespace virtwl {

namespace {

static_assert(sizeof(drm::Execute) == 40 && sizeof(drm::CreateBlob) == 48 && sizeof(drm::GetCapset) == 24,
              "layouts of the kernel's interface");
static_assert(sizeof(drm::PrimeHandle) == 12 && sizeof(drm::Map) == 16 && sizeof(drm::ContextInit) == 16,
              "layouts of the kernel's interface");

/** Longest command in bytes: the channel's largest message. */
constexpr size_t kMaxCommandBytes = 4096;
constexpr size_t kMaxDriverName = 63;
constexpr uint64_t kMaxRings = 64;

NAN_METHOD(Driver) {
  const Arguments arguments("drmDriver", info);
  int fd;
  if (!arguments.Fd(0, "fd", &fd)) return;
  char name[kMaxDriverName + 1] = {};
  drm::Version version = {};
  version.name = name;
  version.nameLength = kMaxDriverName;
  const int error = DrmCall(fd, drm::kVersion, &version);
  if (error != 0) return ThrowFdError(error, "ioctl(DRM_IOCTL_VERSION)", fd);
  info.GetReturnValue().Set(Nan::New(name).ToLocalChecked());
}

NAN_METHOD(Parameter) {
  const Arguments arguments("drmParameter", info);
  int fd;
  uint64_t parameter = 0;
  if (!arguments.Fd(0, "fd", &fd) || !arguments.Integer(1, "parameter", 1, UINT32_MAX, &parameter)) return;
  int value = 0;
  drm::GetParameter get = {parameter, reinterpret_cast<uintptr_t>(&value)};
  const int error = DrmCall(fd, drm::kGetParameter, &get);
  if (error != 0) return ThrowFdError(error, "ioctl(DRM_IOCTL_VIRTGPU_GETPARAM)", fd);
  info.GetReturnValue().Set(value);
}

NAN_METHOD(Capset) {
  const Arguments arguments("drmCapset", info);
  int fd;
  uint64_t id = 0;
  uint64_t version = 0;
  Bytes bytes;
  if (!arguments.Fd(0, "fd", &fd) || !arguments.Integer(1, "id", 1, UINT32_MAX, &id) ||
      !arguments.Integer(2, "version", 0, UINT32_MAX, &version) || !arguments.WritableBytes(3, "buffer", &bytes)) {
    return;
  }
  drm::GetCapset get = {};
  get.id = static_cast<uint32_t>(id);
  get.version = static_cast<uint32_t>(version);
  get.address = reinterpret_cast<uintptr_t>(bytes.data());
  get.size = static_cast<uint32_t>(std::min<size_t>(bytes.length(), kMaxCommandBytes));
  const int error = DrmCall(fd, drm::kGetCapset, &get);
  if (error != 0) return ThrowFdError(error, "ioctl(DRM_IOCTL_VIRTGPU_GET_CAPS)", fd);
}

NAN_METHOD(Context) {
  const Arguments arguments("drmContext", info);
  int fd;
  uint64_t capset = 0;
  uint64_t rings = 0;
  uint64_t polled = 0;
  if (!arguments.Fd(0, "fd", &fd) || !arguments.Integer(1, "capset", 1, UINT32_MAX, &capset) ||
      !arguments.Integer(2, "rings", 1, kMaxRings, &rings) ||
      !arguments.Integer(3, "polled", 0, kMaxSafeInteger, &polled)) {
    return;
  }
  drm::ContextParameter parameters[] = {
      {drm::kCapsetId, capset}, {drm::kRingCount, rings}, {drm::kPolledRings, polled}};
  drm::ContextInit init = {};
  init.count = 3;
  init.parameters = reinterpret_cast<uintptr_t>(parameters);
  const int error = DrmCall(fd, drm::kContextInit, &init);
  if (error != 0) return ThrowFdError(error, "ioctl(DRM_IOCTL_VIRTGPU_CONTEXT_INIT)", fd);
}

/** [handle, resource]. */
v8::Local<v8::Array> Object(uint32_t handle, uint32_t resource) {
  v8::Local<v8::Array> pair = Nan::New<v8::Array>(2);
  Nan::Set(pair, 0, Nan::New(handle)).Check();
  Nan::Set(pair, 1, Nan::New(resource)).Check();
  return pair;
}

NAN_METHOD(Blob) {
  const Arguments arguments("drmBlob", info);
  int fd;
  uint64_t memory = 0;
  uint64_t flags = 0;
  uint64_t size = 0;
  uint64_t id = 0;
  if (!arguments.Fd(0, "fd", &fd) || !arguments.Integer(1, "memory", 1, UINT32_MAX, &memory) ||
      !arguments.Integer(2, "flags", 0, UINT32_MAX, &flags) ||
      !arguments.Integer(3, "size", 1, kMaxSafeInteger, &size) ||
      !arguments.Integer(4, "id", 0, kMaxSafeInteger, &id)) {
    return;
  }
  drm::CreateBlob create = {};
  create.memory = static_cast<uint32_t>(memory);
  create.flags = static_cast<uint32_t>(flags);
  create.size = size;
  create.id = id;
  const int error = DrmCall(fd, drm::kCreateBlob, &create);
  if (error != 0) return ThrowFdError(error, "ioctl(DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB)", fd);
  info.GetReturnValue().Set(Object(create.handle, create.resource));
}

NAN_METHOD(CloseHandle) {
  const Arguments arguments("drmCloseHandle", info);
  int fd;
  uint64_t handle = 0;
  if (!arguments.Fd(0, "fd", &fd) || !arguments.Integer(1, "handle", 1, UINT32_MAX, &handle)) return;
  drm::GemClose close = {static_cast<uint32_t>(handle), 0};
  const int error = DrmCall(fd, drm::kGemClose, &close);
  if (error != 0) return ThrowFdError(error, "ioctl(DRM_IOCTL_GEM_CLOSE)", fd);
}

NAN_METHOD(Export) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("drmExport", info);
  int fd;
  uint64_t handle = 0;
  if (!arguments.Fd(0, "fd", &fd) || !arguments.Integer(1, "handle", 1, UINT32_MAX, &handle)) return;
  drm::PrimeHandle prime = {static_cast<uint32_t>(handle), drm::kPrimeFlags, -1};
  const int error = DrmCall(fd, drm::kHandleToFd, &prime);
  if (error != 0) return ThrowFdError(error, "ioctl(DRM_IOCTL_PRIME_HANDLE_TO_FD)", fd);
  environment.counters.fdsOpened++;
  info.GetReturnValue().Set(prime.fd);
}

NAN_METHOD(Import) {
  const Arguments arguments("drmImport", info);
  int fd;
  int memory;
  if (!arguments.Fd(0, "fd", &fd) || !arguments.Fd(1, "memory", &memory)) return;
  drm::PrimeHandle prime = {0, 0, memory};
  int error = DrmCall(fd, drm::kFdToHandle, &prime);
  if (error != 0) return ThrowFdError(error, "ioctl(DRM_IOCTL_PRIME_FD_TO_HANDLE)", memory);
  drm::ResourceInfo resource = {};
  resource.handle = prime.handle;
  error = DrmCall(fd, drm::kResourceInfo, &resource);
  if (error != 0) {
    drm::GemClose close = {prime.handle, 0};
    DrmCall(fd, drm::kGemClose, &close);
    return ThrowFdError(error, "ioctl(DRM_IOCTL_VIRTGPU_RESOURCE_INFO)", fd);
  }
  info.GetReturnValue().Set(Object(prime.handle, resource.resource));
}

NAN_METHOD(MapOffset) {
  const Arguments arguments("drmMapOffset", info);
  int fd;
  uint64_t handle = 0;
  if (!arguments.Fd(0, "fd", &fd) || !arguments.Integer(1, "handle", 1, UINT32_MAX, &handle)) return;
  drm::Map map = {0, static_cast<uint32_t>(handle), 0};
  const int error = DrmCall(fd, drm::kMap, &map);
  if (error != 0) return ThrowFdError(error, "ioctl(DRM_IOCTL_VIRTGPU_MAP)", fd);
  info.GetReturnValue().Set(static_cast<double>(map.offset));
}

NAN_METHOD(ExecuteCommand) {
  const Arguments arguments("drmExecute", info);
  int fd;
  Bytes command;
  uint64_t ring = 0;
  uint64_t handle = 0;
  // Rings count from 1 here: 0 is none.
  if (!arguments.Fd(0, "fd", &fd) || !arguments.Integer(2, "ring", 0, kMaxRings, &ring) ||
      !arguments.Integer(3, "handle", 0, UINT32_MAX, &handle) || !arguments.WritableBytes(1, "command", &command)) {
    return;
  }
  if (command.length() > kMaxCommandBytes) return arguments.ThrowRange("command", "at most 4,096 bytes long");
  const int error =
      DrmExecute(fd, command.data(), command.length(), static_cast<int>(ring) - 1, static_cast<uint32_t>(handle));
  if (error != 0) return ThrowFdError(error, "ioctl(DRM_IOCTL_VIRTGPU_EXECBUFFER)", fd);
}

NAN_METHOD(WaitFor) {
  const Arguments arguments("drmWait", info);
  int fd;
  uint64_t handle = 0;
  if (!arguments.Fd(0, "fd", &fd) || !arguments.Integer(1, "handle", 1, UINT32_MAX, &handle)) return;
  drm::Wait wait = {static_cast<uint32_t>(handle), 0};
  const int error = DrmCall(fd, drm::kWait, &wait);
  if (error != 0) return ThrowFdError(error, "ioctl(DRM_IOCTL_VIRTGPU_WAIT)", fd);
}

}  // namespace

int DrmCall(int fd, unsigned long request, void* argument) {
  int result;
  do {
    result = ioctl(fd, request, argument);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? errno : 0;
}

int DrmExecute(int fd, const void* command, size_t size, int ring, uint32_t handle) {
  drm::Execute execute = {};
  execute.size = static_cast<uint32_t>(size);
  execute.command = reinterpret_cast<uintptr_t>(command);
  execute.fenceFd = -1;
  if (handle != 0) {
    execute.handles = reinterpret_cast<uintptr_t>(&handle);
    execute.handleCount = 1;
  }
  if (ring >= 0) {
    execute.flags = drm::kOnRing;
    execute.ring = static_cast<uint32_t>(ring);
  }
  return DrmCall(fd, drm::kExecute, &execute);
}

void InitializeDrm(Environment& environment, v8::Local<v8::Object> target) {
  v8::Local<v8::Value> data = environment.Data();
  Nan::SetMethod(target, "drmDriver", Driver, data);
  Nan::SetMethod(target, "drmParameter", Parameter, data);
  Nan::SetMethod(target, "drmCapset", Capset, data);
  Nan::SetMethod(target, "drmContext", Context, data);
  Nan::SetMethod(target, "drmBlob", Blob, data);
  Nan::SetMethod(target, "drmCloseHandle", CloseHandle, data);
  Nan::SetMethod(target, "drmExport", Export, data);
  Nan::SetMethod(target, "drmImport", Import, data);
  Nan::SetMethod(target, "drmMapOffset", MapOffset, data);
  Nan::SetMethod(target, "drmExecute", ExecuteCommand, data);
  Nan::SetMethod(target, "drmWait", WaitFor, data);
}

}  // namespace virtwl
