#include "nonblocking.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace virtwl {

namespace {

/** What a pipe holds when nobody has made it larger. */
constexpr size_t kPipeBytes = 64 * 1024;

template <typename Call>
ssize_t Repeated(Call call) {
  ssize_t result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

/** Whether the kernel cannot do this without waiting, rather than that it would have to wait. */
bool Unsupported(int error) { return error == EOPNOTSUPP || error == ENOSYS; }

/** A pipe for one call. */
class OwnPipe {
 public:
  OwnPipe() {
    if (pipe2(ends_, O_CLOEXEC | O_NONBLOCK) < 0) ends_[0] = ends_[1] = -1;
  }
  OwnPipe(const OwnPipe&) = delete;
  OwnPipe& operator=(const OwnPipe&) = delete;
  ~OwnPipe() {
    const int saved = errno;
    if (made()) {
      close(ends_[0]);
      close(ends_[1]);
    }
    errno = saved;
  }

  bool made() const { return ends_[0] >= 0; }
  int reader() const { return ends_[0]; }
  int writer() const { return ends_[1]; }

 private:
  int ends_[2];
};

/**
 * Whether a file of some other kind (an eventfd, a vfd of virtio_wl, a terminal) is ready. Such files are shared with
 * this machine's own kernel and VMM only, so what is ready now is still so when the call comes.
 */
bool Ready(int fd, short events) {
  pollfd watched = {fd, events, 0};
  if (Repeated([&] { return poll(&watched, 1, 0); }) > 0) return true;
  errno = EAGAIN;
  return false;
}

}  // namespace

ssize_t ReadPipeBySplice(int fd, void* data, size_t length) {
  const OwnPipe own;
  if (!own.made()) return -1;
  const ssize_t moved = Repeated(
      [&] { return splice(fd, nullptr, own.writer(), nullptr, std::min(length, kPipeBytes), SPLICE_F_NONBLOCK); });
  if (moved <= 0) return moved;
  size_t taken = 0;
  while (taken < static_cast<size_t>(moved)) {
    const ssize_t count = Repeated(
        [&] { return read(own.reader(), static_cast<char*>(data) + taken, static_cast<size_t>(moved) - taken); });
    if (count <= 0) return -1;
    taken += static_cast<size_t>(count);
  }
  return moved;
}

ssize_t WritePipeBySplice(int fd, const void* data, size_t length) {
  const OwnPipe own;
  if (!own.made()) return -1;
  const ssize_t given = Repeated([&] { return write(own.writer(), data, std::min(length, kPipeBytes)); });
  if (given <= 0) return given;
  // What does not fit is dropped with our pipe: the caller has it still.
  return Repeated(
      [&] { return splice(own.reader(), nullptr, fd, nullptr, static_cast<size_t>(given), SPLICE_F_NONBLOCK); });
}

ssize_t ReadNow(int fd, void* data, size_t length) {
  struct stat status;
  if (fstat(fd, &status) < 0) return -1;
  switch (status.st_mode & S_IFMT) {
    case S_IFSOCK:
      return Repeated([&] { return recv(fd, data, length, MSG_DONTWAIT); });
    case S_IFIFO: {
      iovec vector = {data, length};
      const ssize_t count = Repeated([&] { return preadv2(fd, &vector, 1, -1, RWF_NOWAIT); });
      return count < 0 && Unsupported(errno) ? ReadPipeBySplice(fd, data, length) : count;
    }
    case S_IFREG:
    case S_IFDIR:
      break;
    default:
      if (!Ready(fd, POLLIN)) return -1;
  }
  return Repeated([&] { return read(fd, data, length); });
}

ssize_t WriteNow(int fd, const void* data, size_t length) {
  struct stat status;
  if (fstat(fd, &status) < 0) return -1;
  // Node.js ignores SIGPIPE from its start, so a pipe without readers is an EPIPE and nothing else.
  switch (status.st_mode & S_IFMT) {
    case S_IFSOCK:
      return Repeated([&] { return send(fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL); });
    case S_IFIFO: {
      iovec vector = {const_cast<void*>(data), length};
      const ssize_t count = Repeated([&] { return pwritev2(fd, &vector, 1, -1, RWF_NOWAIT); });
      return count < 0 && Unsupported(errno) ? WritePipeBySplice(fd, data, length) : count;
    }
    case S_IFREG:
      break;
    default:
      if (!Ready(fd, POLLOUT)) return -1;
  }
  return Repeated([&] { return write(fd, data, length); });
}

}  // namespace virtwl
