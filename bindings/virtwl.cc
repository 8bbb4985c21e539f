#include "virtwl.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "arguments.h"
#include "c/virtwl.h"
#include "environment.h"
#include "errors.h"
#include "virtwl_uapi.h"

namespace virtwl {

namespace {

/**
 * The most data in one transaction, in bytes. The driver copies a transaction into kernel memory as a whole, and a
 * channel sends no more than fits a 4 KiB buffer anyway; this bounds the copy that is kept here.
 */
constexpr size_t kMaxTransactionBytes = 1 << 20;

/** Room for a message with `length` bytes of data; used again by the next one. */
virtwl_message* Message(Environment& environment, size_t length) {
  std::vector<uint8_t>& room = environment.transaction;
  const size_t size = sizeof(virtwl_message) + length;
  if (room.size() < size) room.resize(std::max(size, sizeof(virtwl_message) + 4096));
  return reinterpret_cast<virtwl_message*>(room.data());
}

/** The library leaves it to its caller what a signal means. Here it means nothing. */
template <typename Call>
auto Repeated(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

int NewVfd(int fd, uint64_t type, uint64_t size, const char* name) {
  switch (type) {
    case VIRTWL_IOCTL_NEW_ALLOC:
      return virtwl_new_memory(fd, static_cast<uint32_t>(size));
    case VIRTWL_IOCTL_NEW_PIPE_READ:
      return virtwl_pipe(fd, VIRTWL_PIPE_READ);
    case VIRTWL_IOCTL_NEW_PIPE_WRITE:
      return virtwl_pipe(fd, VIRTWL_PIPE_WRITE);
    case VIRTWL_IOCTL_NEW_CTX_NAMED:
      return virtwl_connect(fd, name);
    default:
      return virtwl_connect(fd, nullptr);
  }
}

NAN_METHOD(OpenDevice) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("openDevice", info);
  const Nan::Utf8String path(info[0]);
  if (!arguments.Text(0, "path", path)) return;
  const int fd = Repeated([&] { return virtwl_open(*path); });
  if (fd < 0) {
    ErrorDetails details;
    details.path = *path;
    return ThrowSystemError(errno, "open", details);
  }
  environment.counters.fdsOpened++;
  info.GetReturnValue().Set(fd);
}

NAN_METHOD(VirtwlNew) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("virtwlNew", info);
  int fd;
  uint64_t type = 0;
  uint64_t size = 0;
  const Nan::Utf8String name(info[3]);
  if (!arguments.Fd(0, "fd", &fd) ||
      !arguments.Integer(1, "type", VIRTWL_IOCTL_NEW_CTX, VIRTWL_IOCTL_NEW_CTX_NAMED, &type) ||
      !arguments.Integer(2, "size", 0, UINT32_MAX, &size) || !arguments.Text(3, "name", name)) {
    return;
  }
  if (name.length() > VIRTWL_MAX_NAME) return arguments.ThrowRange("name", "at most 31 bytes long");
  if (type == VIRTWL_IOCTL_NEW_DMABUF) {
    // An image needs a width, a height and a format, and nothing here makes one.
    return arguments.ThrowRange("type", "another one than DMABUF");
  }

  const int made = Repeated([&] { return NewVfd(fd, type, size, *name); });
  if (made < 0) return ThrowFdError(errno, "ioctl(VIRTWL_IOCTL_NEW)", fd);
  environment.counters.fdsOpened++;
  info.GetReturnValue().Set(made);
}

NAN_METHOD(VirtwlSend) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("virtwlSend", info);
  int fd;
  FdList fds;
  Bytes bytes;
  if (!arguments.Fd(0, "fd", &fd) || !arguments.Fds(4, "fds", VIRTWL_MAX_FDS, &fds) ||
      !arguments.ByteRange(1, "data", &bytes)) {
    return;
  }
  if (bytes.length() > kMaxTransactionBytes) return arguments.ThrowRange("length", "at most 1 MiB");

  const ssize_t sent = SendTransaction(environment, fd, bytes.data(), bytes.length(), fds);
  if (sent < 0 && errno != EAGAIN) return ThrowFdError(errno, "ioctl(VIRTWL_IOCTL_SEND)", fd);
  info.GetReturnValue().Set(static_cast<double>(sent));
}

NAN_METHOD(VirtwlRecv) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("virtwlRecv", info);
  int fd;
  v8::Local<v8::Array> array;
  Bytes bytes;
  if (!arguments.Fd(0, "fd", &fd) || !arguments.Array(2, "fds", &array) ||
      !arguments.WritableBytes(1, "buffer", &bytes)) {
    return;
  }

  FdList fds;
  size_t received = 0;
  const int error = ReceiveTransaction(environment, fd, bytes.data(), bytes.length(), &fds, &received);
  if (error == EAGAIN) {
    info.GetReturnValue().Set(-1);
    return;
  }
  if (error != 0) return ThrowFdError(error, "ioctl(VIRTWL_IOCTL_RECV)", fd);
  if (fds.count > 0 && !DeliverFds(environment, "virtwlRecv", array, fds.fds, fds.count)) return;
  info.GetReturnValue().Set(static_cast<double>(received));
}

}  // namespace

int ReceiveTransaction(Environment& environment, int fd, uint8_t* data, size_t length, FdList* fds, size_t* received) {
  const size_t room = std::min(length, kMaxTransactionBytes);
  virtwl_message* message = Message(environment, room);
  environment.counters.recvmsg++;
  const ssize_t bytes = Repeated([&] { return virtwl_receive_message(fd, message, room, fds->fds, &fds->count); });
  if (bytes < 0) return errno;
  environment.counters.fdsOpened += fds->count;
  *received = static_cast<size_t>(bytes);
  std::memcpy(data, message->data, *received);
  return 0;
}

ssize_t SendTransaction(Environment& environment, int fd, const uint8_t* data, size_t length, const FdList& fds) {
  virtwl_message* message = Message(environment, length);
  if (length > 0) std::memcpy(message->data, data, length);
  environment.counters.sendmsg++;
  return Repeated([&] { return virtwl_send_message(fd, message, length, fds.fds, fds.count); });
}

void InitializeVirtwl(Environment& environment, v8::Local<v8::Object> target) {
  v8::Local<v8::Value> data = environment.Data();
  Nan::SetMethod(target, "openDevice", OpenDevice, data);
  Nan::SetMethod(target, "virtwlNew", VirtwlNew, data);
  Nan::SetMethod(target, "virtwlSend", VirtwlSend, data);
  Nan::SetMethod(target, "virtwlRecv", VirtwlRecv, data);
}

}  // namespace virtwl
