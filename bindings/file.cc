#include "file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "arguments.h"
#include "environment.h"
#include "errors.h"
#include "nonblocking.h"

namespace virtwl {

namespace {

NAN_METHOD(Read) {
  const Arguments arguments("read", info);
  int fd;
  Bytes bytes;
  if (!arguments.Fd(0, "fd", &fd) || !arguments.WritableBytes(1, "buffer", &bytes)) return;
  const ssize_t count = ReadNow(fd, bytes.data(), bytes.length());
  if (count < 0 && errno != EAGAIN) return ThrowFdError(errno, "read", fd);
  info.GetReturnValue().Set(static_cast<double>(count));
}

NAN_METHOD(Write) {
  const Arguments arguments("write", info);
  int fd;
  Bytes bytes;
  if (!arguments.Fd(0, "fd", &fd) || !arguments.ByteRange(1, "data", &bytes)) return;
  const ssize_t count = WriteNow(fd, bytes.data(), bytes.length());
  if (count < 0 && errno != EAGAIN) return ThrowFdError(errno, "write", fd);
  info.GetReturnValue().Set(static_cast<double>(count));
}

NAN_METHOD(Pipe) {
  Environment& environment = Environment::Of(info);
  int fds[2];
  // Blocking, as the process that is given an end of it expects; our own reads and writes never wait anyway.
  if (pipe2(fds, O_CLOEXEC) < 0) return ThrowSystemError(errno, "pipe2");
  environment.counters.fdsOpened += 2;
  v8::Local<v8::Array> ends = Nan::New<v8::Array>(2);
  Nan::Set(ends, 0, Nan::New(fds[0])).Check();
  Nan::Set(ends, 1, Nan::New(fds[1])).Check();
  info.GetReturnValue().Set(ends);
}

NAN_METHOD(Close) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("close", info);
  int fd;
  if (!arguments.Fd(0, "fd", &fd)) return;
  if (environment.watched.count(fd) > 0) {
    ErrorDetails details;
    details.fd = fd;
    details.advice = "a Poll watches it, close that first";
    return ThrowSystemError(EBUSY, "close", details);
  }
  environment.gpuChannels.erase(fd);
  // Not repeated after EINTR: Linux has closed the descriptor by then, and another thread may have the number already.
  if (close(fd) < 0 && errno != EINTR) return ThrowFdError(errno, "close", fd);
  environment.counters.fdsClosed++;
}

NAN_METHOD(Dup) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("dup", info);
  int fd;
  if (!arguments.Fd(0, "fd", &fd)) return;
  const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return ThrowFdError(errno, "fcntl", fd);
  environment.counters.fdsOpened++;
  info.GetReturnValue().Set(copy);
}

NAN_METHOD(SetNonblocking) {
  const Arguments arguments("setNonblocking", info);
  int fd;
  if (!arguments.Fd(0, "fd", &fd)) return;
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) ThrowFdError(errno, "fcntl", fd);
}

const char* TypeName(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFSOCK:
      return "socket";
    case S_IFIFO:
      return "pipe";
    case S_IFREG:
      return "regular";
    case S_IFCHR:
      return "character";
    default:
      return "other";
  }
}

NAN_METHOD(Info) {
  const Arguments arguments("info", info);
  int fd;
  if (!arguments.Fd(0, "fd", &fd)) return;
  struct stat status;
  if (fstat(fd, &status) < 0) return ThrowFdError(errno, "fstat", fd);
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return ThrowFdError(errno, "fcntl", fd);
  const int mode = flags & O_ACCMODE;
  const char* access = mode == O_RDONLY ? "r" : mode == O_WRONLY ? "w" : "rw";

  v8::Local<v8::Object> object = Nan::New<v8::Object>();
  Nan::Set(object, Nan::New("type").ToLocalChecked(), Nan::New(TypeName(status.st_mode)).ToLocalChecked()).Check();
  Nan::Set(object, Nan::New("access").ToLocalChecked(), Nan::New(access).ToLocalChecked()).Check();
  Nan::Set(object, Nan::New("size").ToLocalChecked(), Nan::New(static_cast<double>(status.st_size))).Check();
  Nan::Set(object, Nan::New("device").ToLocalChecked(), Nan::New(static_cast<double>(status.st_dev))).Check();
  Nan::Set(object, Nan::New("inode").ToLocalChecked(), Nan::New(static_cast<double>(status.st_ino))).Check();
  Nan::Set(object, Nan::New("seekable").ToLocalChecked(), Nan::New(lseek(fd, 0, SEEK_CUR) >= 0)).Check();
  info.GetReturnValue().Set(object);
}

}  // namespace

void InitializeFiles(Environment& environment, v8::Local<v8::Object> target) {
  v8::Local<v8::Value> data = environment.Data();
  Nan::SetMethod(target, "read", Read, data);
  Nan::SetMethod(target, "write", Write, data);
  Nan::SetMethod(target, "pipe", Pipe, data);
  Nan::SetMethod(target, "close", Close, data);
  Nan::SetMethod(target, "dup", Dup, data);
  Nan::SetMethod(target, "setNonblocking", SetNonblocking, data);
  Nan::SetMethod(target, "info", Info, data);
}

}  // namespace virtwl
