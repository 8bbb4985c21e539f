#include "virtwl.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "arguments.h"
#include "environment.h"
#include "errors.h"
#include "virtwl_uapi.h"

// The ABI in numbers. These are facts about other people's kernels: if one of them fails, the header is wrong.
static_assert(sizeof(virtwl_ioctl_new) == 48, "struct virtwl_ioctl_new");
static_assert(offsetof(virtwl_ioctl_new, type) == 0, "struct virtwl_ioctl_new");
static_assert(offsetof(virtwl_ioctl_new, fd) == 4, "struct virtwl_ioctl_new");
static_assert(offsetof(virtwl_ioctl_new, flags) == 8, "struct virtwl_ioctl_new");
static_assert(offsetof(virtwl_ioctl_new, size) == 12, "struct virtwl_ioctl_new");
static_assert(offsetof(virtwl_ioctl_new, name) == 12, "struct virtwl_ioctl_new");
static_assert(offsetof(virtwl_ioctl_new, dmabuf) == 12, "struct virtwl_ioctl_new");
static_assert(offsetof(virtwl_ioctl_new, dmabuf.format) == 20, "struct virtwl_ioctl_new");
static_assert(offsetof(virtwl_ioctl_new, dmabuf.stride0) == 24, "struct virtwl_ioctl_new");
static_assert(offsetof(virtwl_ioctl_new, dmabuf.offset0) == 36, "struct virtwl_ioctl_new");
static_assert(sizeof(virtwl_ioctl_txn) == 116, "struct virtwl_ioctl_txn");
static_assert(offsetof(virtwl_ioctl_txn, fds) == 0, "struct virtwl_ioctl_txn");
static_assert(offsetof(virtwl_ioctl_txn, len) == 112, "struct virtwl_ioctl_txn");
static_assert(offsetof(virtwl_ioctl_txn, data) == 116, "struct virtwl_ioctl_txn");
static_assert(sizeof(virtwl_ioctl_dmabuf_sync) == 4, "struct virtwl_ioctl_dmabuf_sync");
static_assert(VIRTWL_IOCTL_NEW == 0xc0307700, "VIRTWL_IOCTL_NEW");
static_assert(VIRTWL_IOCTL_SEND == 0x80747701, "VIRTWL_IOCTL_SEND");
static_assert(VIRTWL_IOCTL_RECV == 0x40747702, "VIRTWL_IOCTL_RECV");
static_assert(VIRTWL_IOCTL_DMABUF_SYNC == 0x80047703, "VIRTWL_IOCTL_DMABUF_SYNC");

namespace virtwl {

namespace {

/**
 * The most data in one transaction, in bytes. The driver copies a transaction into kernel memory as a whole, and a
 * channel sends no more than fits a 4 KiB buffer anyway; this bounds the copy that is kept here.
 */
constexpr size_t kMaxTransactionBytes = 1 << 20;

/** Room for a transaction of `length` bytes of data; used again by the next one. */
virtwl_ioctl_txn* Transaction(Environment& environment, size_t length) {
  std::vector<uint8_t>& room = environment.transaction;
  const size_t size = sizeof(virtwl_ioctl_txn) + length;
  if (room.size() < size) room.resize(std::max(size, sizeof(virtwl_ioctl_txn) + 4096));
  return reinterpret_cast<virtwl_ioctl_txn*>(room.data());
}

int Ioctl(int fd, unsigned long request, void* argument) {
  int result;
  do {
    result = ioctl(fd, request, argument);
  } while (result < 0 && errno == EINTR);
  return result;
}

NAN_METHOD(OpenDevice) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("openDevice", info);
  const Nan::Utf8String path(info[0]);
  if (!arguments.Text(0, "path", path)) return;
  int fd;
  do {
    fd = open(*path, O_RDWR | O_CLOEXEC);
  } while (fd < 0 && errno == EINTR);
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
  if (name.length() >= VIRTWL_NAME_SIZE) return arguments.ThrowRange("name", "at most 31 bytes long");
  if (type == VIRTWL_IOCTL_NEW_DMABUF) {
    // An image needs a width, a height and a format, and nothing here makes one.
    return arguments.ThrowRange("type", "another one than DMABUF");
  }

  virtwl_ioctl_new request = {};
  request.type = static_cast<uint32_t>(type);
  request.fd = -1;
  if (type == VIRTWL_IOCTL_NEW_CTX_NAMED) {
    std::memcpy(request.name, *name, static_cast<size_t>(name.length()));
  } else {
    request.size = static_cast<uint32_t>(size);
  }
  if (Ioctl(fd, VIRTWL_IOCTL_NEW, &request) < 0) return ThrowFdError(errno, "ioctl(VIRTWL_IOCTL_NEW)", fd);
  environment.counters.fdsOpened++;
  info.GetReturnValue().Set(request.fd);
}

NAN_METHOD(VirtwlSend) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("virtwlSend", info);
  int fd;
  FdList fds;
  Bytes bytes;
  if (!arguments.Fd(0, "fd", &fd) || !arguments.Fds(4, "fds", VIRTWL_SEND_MAX_ALLOCS, &fds) ||
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
  virtwl_ioctl_txn* transaction = Transaction(environment, room);
  std::fill_n(transaction->fds, VIRTWL_SEND_MAX_ALLOCS, -1);
  transaction->len = static_cast<uint32_t>(room);
  environment.counters.recvmsg++;
  fds->count = 0;
  if (Ioctl(fd, VIRTWL_IOCTL_RECV, transaction) < 0) return errno;
  int* const first = transaction->fds;
  int* const end = std::find_if(first, first + VIRTWL_SEND_MAX_ALLOCS, [](int taken) { return taken < 0; });
  fds->count = static_cast<size_t>(end - first);
  std::copy(first, end, fds->fds);
  environment.counters.fdsOpened += fds->count;
  // The driver cannot have written more than there was room for; a length that says so is not believed.
  *received = std::min(static_cast<size_t>(transaction->len), room);
  std::memcpy(data, transaction->data, *received);
  return 0;
}

ssize_t SendTransaction(Environment& environment, int fd, const uint8_t* data, size_t length, const FdList& fds) {
  virtwl_ioctl_txn* transaction = Transaction(environment, length);
  std::fill_n(transaction->fds, VIRTWL_SEND_MAX_ALLOCS, -1);
  std::copy_n(fds.fds, fds.count, transaction->fds);
  transaction->len = static_cast<uint32_t>(length);
  if (length > 0) std::memcpy(transaction->data, data, length);
  environment.counters.sendmsg++;
  return Ioctl(fd, VIRTWL_IOCTL_SEND, transaction) < 0 ? -1 : static_cast<ssize_t>(length);
}

void InitializeVirtwl(Environment& environment, v8::Local<v8::Object> target) {
  v8::Local<v8::Value> data = environment.Data();
  Nan::SetMethod(target, "openDevice", OpenDevice, data);
  Nan::SetMethod(target, "virtwlNew", VirtwlNew, data);
  Nan::SetMethod(target, "virtwlSend", VirtwlSend, data);
  Nan::SetMethod(target, "virtwlRecv", VirtwlRecv, data);
}

}  // namespace virtwl
