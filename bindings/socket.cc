#include "socket.h"

#include <linux/sock_diag.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "arguments.h"
#include "environment.h"
#include "errors.h"

namespace virtwl {

namespace {

constexpr int kSocketType = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

bool WouldBlock(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

NAN_METHOD(Socketpair) {
  Environment& environment = Environment::Of(info);
  int fds[2];
  if (socketpair(AF_UNIX, kSocketType, 0, fds) < 0) return ThrowSystemError(errno, "socketpair");
  environment.counters.fdsOpened += 2;
  v8::Local<v8::Array> pair = Nan::New<v8::Array>(2);
  Nan::Set(pair, 0, Nan::New(fds[0])).Check();
  Nan::Set(pair, 1, Nan::New(fds[1])).Check();
  info.GetReturnValue().Set(pair);
}

/** The address of a path; false, after throwing, when it is too long (107 bytes). */
bool MakeAddress(const char* syscall, const Nan::Utf8String& path, sockaddr_un* address) {
  const size_t length = static_cast<size_t>(path.length());
  ErrorDetails details;
  details.path = *path;
  if (length == 0) {
    // An empty path would bind to an address of the kernel's choice in the abstract namespace.
    ThrowSystemError(ENOENT, syscall, details);
    return false;
  }
  if (length >= sizeof address->sun_path) {
    details.advice = "the path of a Unix socket has at most 107 bytes";
    ThrowSystemError(ENAMETOOLONG, syscall, details);
    return false;
  }
  std::memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  std::memcpy(address->sun_path, *path, length);
  return true;
}

NAN_METHOD(ConnectUnix) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("connectUnix", info);
  const Nan::Utf8String path(info[0]);
  sockaddr_un address;
  if (!arguments.Text(0, "path", path) || !MakeAddress("connect", path, &address)) return;

  ErrorDetails details;
  details.path = *path;
  const int fd = socket(AF_UNIX, kSocketType, 0);
  if (fd < 0) return ThrowSystemError(errno, "socket", details);
  environment.counters.fdsOpened++;
  int result;
  do {
    result = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } while (result < 0 && errno == EINTR);
  if (result < 0) {
    environment.CloseFd(fd);
    if (WouldBlock(errno)) details.advice = "its backlog is full, try again later";
    return ThrowSystemError(errno, "connect", details);
  }
  info.GetReturnValue().Set(fd);
}

NAN_METHOD(ListenUnix) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("listenUnix", info);
  const Nan::Utf8String path(info[0]);
  uint64_t backlog = 0;
  sockaddr_un address;
  if (!arguments.Text(0, "path", path) || !arguments.Integer(1, "backlog", 0, INT32_MAX, &backlog) ||
      !MakeAddress("bind", path, &address)) {
    return;
  }

  ErrorDetails details;
  details.path = *path;
  const int fd = socket(AF_UNIX, kSocketType, 0);
  if (fd < 0) return ThrowSystemError(errno, "socket", details);
  environment.counters.fdsOpened++;
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    environment.CloseFd(fd);
    return ThrowSystemError(errno, "bind", details);
  }
  if (listen(fd, static_cast<int>(backlog)) < 0) {
    const int error = errno;
    unlink(address.sun_path);
    environment.CloseFd(fd);
    return ThrowSystemError(error, "listen", details);
  }
  info.GetReturnValue().Set(fd);
}

NAN_METHOD(SendDatagram) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("sendDatagram", info);
  const Nan::Utf8String path(info[0]);
  const Nan::Utf8String text(info[1]);
  sockaddr_un address;
  if (!arguments.Text(0, "path", path) || !arguments.Text(1, "text", text) || !MakeAddress("sendto", path, &address)) {
    return;
  }
  ErrorDetails details;
  details.path = *path;
  socklen_t size = sizeof address;
  if (address.sun_path[0] == '@') {
    // A name without a file, which has no NUL at its end.
    size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path)) + static_cast<socklen_t>(path.length());
    address.sun_path[0] = '\0';
  }
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return ThrowSystemError(errno, "socket", details);
  environment.counters.fdsOpened++;
  const ssize_t sent = sendto(fd, *text, static_cast<size_t>(text.length()), MSG_NOSIGNAL | MSG_DONTWAIT,
                              reinterpret_cast<const sockaddr*>(&address), size);
  const int error = errno;
  environment.CloseFd(fd);
  if (sent < 0) return ThrowSystemError(error, "sendto", details);
}

NAN_METHOD(Accept) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("accept", info);
  int fd;
  if (!arguments.Fd(0, "fd", &fd)) return;
  int accepted;
  do {
    accepted = accept4(fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  } while (accepted < 0 && errno == EINTR);
  if (accepted >= 0) {
    environment.counters.fdsOpened++;
  } else if (!WouldBlock(errno)) {
    return ThrowFdError(errno, "accept", fd);
  }
  info.GetReturnValue().Set(accepted);
}

NAN_METHOD(Send) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("send", info);
  int fd;
  FdList fds;
  Bytes bytes;
  if (!arguments.Fd(0, "fd", &fd) || !arguments.Fds(4, "fds", kMaxMessageFds, &fds) ||
      !arguments.ByteRange(1, "data", &bytes)) {
    return;
  }
  if (fds.count > 0 && bytes.length() == 0) return arguments.ThrowRange("length", "at least 1 when there are fds");

  alignas(cmsghdr) char control[CMSG_SPACE(kMaxMessageFds * sizeof(int))];
  iovec vector = {bytes.data(), bytes.length()};
  msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  if (fds.count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.count * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.count * sizeof(int));
    std::memcpy(CMSG_DATA(header), fds.fds, fds.count * sizeof(int));
  }

  ssize_t sent;
  do {
    environment.counters.sendmsg++;
    sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0 && !WouldBlock(errno)) return ThrowFdError(errno, "sendmsg", fd);
  info.GetReturnValue().Set(static_cast<double>(sent));
}

NAN_METHOD(Recv) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("recv", info);
  int fd;
  v8::Local<v8::Array> array;
  Bytes bytes;
  if (!arguments.Fd(0, "fd", &fd) || !arguments.Array(2, "fds", &array) ||
      !arguments.WritableBytes(1, "buffer", &bytes)) {
    return;
  }

  FdList fds;
  size_t received = 0;
  const int error = ReceiveFrom(environment, fd, bytes.data(), bytes.length(), &fds, &received);
  if (WouldBlock(error)) {
    info.GetReturnValue().Set(-1);
    return;
  }
  if (error != 0) return ThrowReceiveError(error, fd);
  if (fds.count > 0 && !DeliverFds(environment, "recv", array, fds.fds, fds.count)) return;
  info.GetReturnValue().Set(static_cast<double>(received));
}

NAN_METHOD(PeerCredentials) {
  const Arguments arguments("peerCredentials", info);
  int fd;
  if (!arguments.Fd(0, "fd", &fd)) return;
  ucred credentials;
  socklen_t length = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0) {
    return ThrowFdError(errno, "getsockopt", fd);
  }
  // What the kernel answers for a socket that has no peer, or one of another family.
  if (credentials.uid == static_cast<uid_t>(-1)) return ThrowFdError(ENOTCONN, "getsockopt", fd);
  v8::Local<v8::Object> object = Nan::New<v8::Object>();
  Nan::Set(object, Nan::New("pid").ToLocalChecked(), Nan::New(credentials.pid)).Check();
  Nan::Set(object, Nan::New("uid").ToLocalChecked(), Nan::New(credentials.uid)).Check();
  Nan::Set(object, Nan::New("gid").ToLocalChecked(), Nan::New(credentials.gid)).Check();
  info.GetReturnValue().Set(object);
}

NAN_METHOD(Unread) {
  const Arguments arguments("unread", info);
  int fd;
  if (!arguments.Fd(0, "fd", &fd)) return;
  uint32_t memory[SK_MEMINFO_VARS] = {};
  socklen_t length = sizeof memory;
  // As ioctl(SIOCOUTQ) has it, by a call that the sandbox needs anyway.
  if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &length) < 0) return ThrowFdError(errno, "getsockopt", fd);
  info.GetReturnValue().Set(memory[SK_MEMINFO_WMEM_ALLOC]);
}

NAN_METHOD(SetSendBuffer) {
  const Arguments arguments("setSendBuffer", info);
  int fd;
  uint64_t bytes = 0;
  if (!arguments.Fd(0, "fd", &fd) || !arguments.Integer(1, "bytes", 1, INT32_MAX / 2, &bytes)) return;
  const int wanted = static_cast<int>(bytes);
  // Without the bound of net.core.wmem_max, where this process may say so.
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted) < 0 &&
      (errno != EPERM || setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted) < 0)) {
    return ThrowFdError(errno, "setsockopt", fd);
  }
  int given = 0;
  socklen_t length = sizeof given;
  if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &given, &length) < 0) return ThrowFdError(errno, "getsockopt", fd);
  info.GetReturnValue().Set(given);
}

}  // namespace

int ReceiveFrom(Environment& environment, int fd, uint8_t* data, size_t length, FdList* fds, size_t* received) {
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxMessageFds * sizeof(int))];
  iovec vector = {data, length};
  msghdr message = {};
  ssize_t result;
  do {
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    environment.counters.recvmsg++;
    result = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  } while (result < 0 && errno == EINTR);
  fds->count = 0;
  if (result < 0) return WouldBlock(errno) ? EAGAIN : errno;

  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    // The kernel cannot put more into `control` than fits there, and a list holds as much.
    std::memcpy(fds->fds + fds->count, CMSG_DATA(header), count * sizeof(int));
    fds->count += count;
  }
  environment.counters.fdsOpened += fds->count;
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    // Some descriptors are lost: there was room for all that a message can carry, so this process has no more to give.
    for (size_t i = 0; i < fds->count; i++) environment.CloseFd(fds->fds[i]);
    fds->count = 0;
    return EMSGSIZE;
  }
  *received = static_cast<size_t>(result);
  return 0;
}

void ThrowReceiveError(int error, int fd) {
  ErrorDetails details;
  details.fd = fd;
  if (error == EMSGSIZE) {
    details.advice = "descriptors were lost, most likely because this process is at its limit (ulimit -n)";
  }
  ThrowSystemError(error, "recvmsg", details);
}

ssize_t SendTo(Environment& environment, int fd, const uint8_t* data, size_t length) {
  ssize_t sent;
  do {
    environment.counters.sendmsg++;
    sent = send(fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent;
}

void InitializeSockets(Environment& environment, v8::Local<v8::Object> target) {
  v8::Local<v8::Value> data = environment.Data();
  Nan::SetMethod(target, "socketpair", Socketpair, data);
  Nan::SetMethod(target, "connectUnix", ConnectUnix, data);
  Nan::SetMethod(target, "listenUnix", ListenUnix, data);
  Nan::SetMethod(target, "sendDatagram", SendDatagram, data);
  Nan::SetMethod(target, "accept", Accept, data);
  Nan::SetMethod(target, "send", Send, data);
  Nan::SetMethod(target, "recv", Recv, data);
  Nan::SetMethod(target, "peerCredentials", PeerCredentials, data);
  Nan::SetMethod(target, "unread", Unread, data);
  Nan::SetMethod(target, "setSendBuffer", SetSendBuffer, data);
}

}  // namespace virtwl
