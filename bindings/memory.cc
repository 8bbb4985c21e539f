#include "memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

#include "arguments.h"
#include "environment.h"
#include "errors.h"

namespace virtwl {

namespace {

/** All seals of fcntl(2) that there are names for in src/system/native.ts: SEAL, SHRINK, GROW, WRITE. */
constexpr uint64_t kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

/** The longest name that memfd_create(2) takes, in bytes. */
constexpr int kMaxMemfdName = 249;

NAN_METHOD(Memfd) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("memfd", info);
  const Nan::Utf8String name(info[0]);
  uint64_t size = 0;
  uint64_t seals = 0;
  if (!arguments.Text(0, "name", name) || !arguments.Integer(1, "size", 0, kMaxSafeInteger, &size) ||
      !arguments.Integer(2, "seals", 0, kSeals, &seals)) {
    return;
  }
  if (name.length() > kMaxMemfdName) return arguments.ThrowRange("name", "at most 249 bytes long");

  ErrorDetails details;
  details.path = *name;
  const int fd = memfd_create(*name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return ThrowSystemError(errno, "memfd_create", details);
  environment.counters.fdsOpened++;
  int result;
  do {
    result = ftruncate(fd, static_cast<off_t>(size));
  } while (result < 0 && errno == EINTR);
  if (result < 0) {
    environment.CloseFd(fd);
    return ThrowSystemError(errno, "ftruncate", details);
  }
  if (seals != 0 && fcntl(fd, F_ADD_SEALS, static_cast<int>(seals)) < 0) {
    environment.CloseFd(fd);
    return ThrowSystemError(errno, "fcntl", details);
  }
  info.GetReturnValue().Set(fd);
}

NAN_METHOD(Seals) {
  const Arguments arguments("seals", info);
  int fd;
  if (!arguments.Fd(0, "fd", &fd)) return;
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0) return ThrowFdError(errno, "fcntl", fd);
  info.GetReturnValue().Set(seals);
}

NAN_METHOD(AddSeals) {
  const Arguments arguments("addSeals", info);
  int fd;
  uint64_t seals = 0;
  if (!arguments.Fd(0, "fd", &fd) || !arguments.Integer(1, "seals", 0, kSeals, &seals)) return;
  if (fcntl(fd, F_ADD_SEALS, static_cast<int>(seals)) < 0) ThrowFdError(errno, "fcntl", fd);
}

NAN_METHOD(Reserve) {
  const Arguments arguments("reserve", info);
  int fd;
  uint64_t size = 0;
  uint64_t offset = 0;
  if (!arguments.Fd(0, "fd", &fd) || !arguments.Integer(1, "size", 1, kMaxSafeInteger, &size)) return;
  if (!info[2]->IsUndefined() && !arguments.Integer(2, "offset", 0, kMaxSafeInteger - size, &offset)) return;
  int result;
  do {
    result = fallocate(fd, 0, static_cast<off_t>(offset), static_cast<off_t>(size));
  } while (result < 0 && errno == EINTR);
  if (result < 0) ThrowFdError(errno, "fallocate", fd);
}

NAN_METHOD(TemporaryFile) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("temporaryFile", info);
  int directory;
  if (!arguments.Fd(0, "directoryFd", &directory)) return;
  int fd;
  do {
    fd = openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return ThrowFdError(errno, "openat", directory);
  environment.counters.fdsOpened++;
  info.GetReturnValue().Set(fd);
}

NAN_METHOD(Usage) {
  const Arguments arguments("usage", info);
  int fd;
  if (!arguments.Fd(0, "fd", &fd)) return;
  struct statvfs status;
  int result;
  do {
    result = fstatvfs(fd, &status);
  } while (result < 0 && errno == EINTR);
  if (result < 0) return ThrowFdError(errno, "fstatvfs", fd);
  const double unit = static_cast<double>(status.f_frsize);
  v8::Local<v8::Object> object = Nan::New<v8::Object>();
  Nan::Set(object, Nan::New("size").ToLocalChecked(), Nan::New(unit * static_cast<double>(status.f_blocks))).Check();
  Nan::Set(object, Nan::New("used").ToLocalChecked(),
           Nan::New(unit * static_cast<double>(status.f_blocks - status.f_bfree)))
      .Check();
  Nan::Set(object, Nan::New("inodes").ToLocalChecked(), Nan::New(static_cast<double>(status.f_files - status.f_ffree)))
      .Check();
  info.GetReturnValue().Set(object);
}

}  // namespace

void InitializeMemory(Environment& environment, v8::Local<v8::Object> target) {
  v8::Local<v8::Value> data = environment.Data();
  Nan::SetMethod(target, "memfd", Memfd, data);
  Nan::SetMethod(target, "seals", Seals, data);
  Nan::SetMethod(target, "addSeals", AddSeals, data);
  Nan::SetMethod(target, "reserve", Reserve, data);
  Nan::SetMethod(target, "temporaryFile", TemporaryFile, data);
  Nan::SetMethod(target, "usage", Usage, data);
}

}  // namespace virtwl
