/*
 * A library for LD_PRELOAD that stands in for /dev/wl0, so that the ioctls can be tested without the driver: what the
 * addon hands to the kernel is written down, and answered in the way of the driver.
 *
 *   FAKE_WL0      the path that opens as the device
 *   FAKE_WL0_LOG  where every ioctl is written: its number and the bytes of its structure, in hexadecimal
 *   FAKE_WL0_SERVERS  a directory of sockets, which named contexts are connected to
 *
 * Without servers, a context is an end of a socketpair, and receives what it sends. Layout and numbers are written out
 * here once more, on purpose: shared with the addon, a mistake would agree with itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define NEW 0xc0307700u
#define SEND 0x80747701u
#define RECV 0x40747702u
#define DMABUF_SYNC 0x80047703u

/* With these flags, a sync touches memory that its file has lost: a SIGBUS outside of the addon's mappings. */
#define SYNC_FAULTS 0xbadu

static int device_fds[64];
static int devices;
/* By context: where what it receives is read. */
static int peer_of[65536];

static int open_at(const char* path, int flags, mode_t mode) {
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static int intercept(const char* path, int flags, mode_t mode) {
  const char* fake = getenv("FAKE_WL0");
  int fd;

  if (!fake || strcmp(path, fake)) return open_at(path, flags, mode);
  if ((flags & (O_RDWR | O_CLOEXEC)) != (O_RDWR | O_CLOEXEC)) {
    errno = EACCES;
    return -1;
  }
  fd = open_at("/dev/null", flags, 0);
  device_fds[devices++ % 64] = fd;
  return fd;
}

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return intercept(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return intercept(path, flags, mode);
}

static void write_down(unsigned int request, const void* bytes, size_t length) {
  const char* path = getenv("FAKE_WL0_LOG");
  FILE* log = path ? fopen(path, "a") : NULL;

  if (!log) return;
  fprintf(log, "%08x ", request);
  for (size_t i = 0; i < length; i++) fprintf(log, "%02x", ((const unsigned char*)bytes)[i]);
  fprintf(log, "\n");
  fclose(log);
}

static int connect_to(const char* directory, const char* name) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", directory, name);
  if (fd >= 0 && !connect(fd, (struct sockaddr*)&address, sizeof(address))) return fd;
  if (fd >= 0) close(fd);
  errno = ENODEV;
  return -1;
}

static int answer_new(uint32_t* request) {
  const char* servers = getenv("FAKE_WL0_SERVERS");
  int fds[2];

  write_down(NEW, request, 48);
  switch (request[0]) {
    case 0: /* a connection */
    case 5:
      if (request[0] == 5 && !strcmp((char*)(request + 3), "absent")) {
        errno = ENODEV;
        return -1;
      }
      if (request[0] == 5 && servers) {
        fds[0] = connect_to(servers, (char*)(request + 3));
        if (fds[0] < 0) return -1;
        peer_of[fds[0]] = fds[0];
        request[1] = (uint32_t)fds[0];
        return 0;
      }
      if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds)) return -1;
      peer_of[fds[0]] = fds[1];
      request[1] = (uint32_t)fds[0];
      return 0;
    case 1: /* memory */
      request[1] = (uint32_t)memfd_create("fake vfd", MFD_CLOEXEC);
      return ftruncate((int)request[1], request[3]);
    case 2: /* a pipe, and which end stays here */
    case 3:
      if (pipe2(fds, O_CLOEXEC | O_NONBLOCK)) return -1;
      request[1] = (uint32_t)fds[request[0] == 2 ? 0 : 1];
      close(fds[request[0] == 2 ? 1 : 0]);
      return 0;
  }
  errno = EINVAL;
  return -1;
}

struct txn {
  int32_t fds[28];
  uint32_t len;
  uint8_t data[];
};

static int answer_send(int fd, struct txn* txn) {
  char control[CMSG_SPACE(sizeof(txn->fds))] = {0};
  struct iovec vector = {txn->data, txn->len};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
  int count = 0;

  write_down(SEND, txn, sizeof(*txn) + txn->len);
  while (count < 28 && txn->fds[count] >= 0) count++;
  for (int i = count; i < 28; i++)
    if (txn->fds[i] != -1) {
      errno = EBADF;
      return -1;
    }
  if (count) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
    struct cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    memcpy(CMSG_DATA(header), txn->fds, (size_t)count * sizeof(int));
  }
  return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static int answer_recv(int fd, struct txn* txn) {
  char control[CMSG_SPACE(sizeof(txn->fds))];
  struct iovec vector = {txn->data, txn->len};
  struct msghdr message = {
      .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
  ssize_t length;

  write_down(RECV, txn, sizeof(*txn));
  length = recvmsg(peer_of[fd], &message, MSG_CMSG_CLOEXEC);
  if (length < 0) return -1;
  memset(txn->fds, 0xff, sizeof(txn->fds));
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header) memcpy(txn->fds, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
  /* A driver that lies about the length, for the one message that asks for it. */
  txn->len = length == 3 && !memcmp(txn->data, "lie", 3) ? 0xffffffff : (uint32_t)length;
  return 0;
}

static int answer_sync(uint32_t* flags) {
  write_down(DMABUF_SYNC, flags, 4);
  if (*flags == SYNC_FAULTS) {
    int fd = memfd_create("lost", MFD_CLOEXEC);
    volatile char* lost = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    return *lost;
  }
  return 0;
}

int ioctl(int fd, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  void* argument = va_arg(rest, void*);
  va_end(rest);

  int ours = fd >= 0 && fd < 65536 && peer_of[fd] != 0;
  for (int i = 0; i < 64 && i < devices; i++) ours |= device_fds[i] == fd;
  if (ours) switch ((uint32_t)request) {
      case NEW:
        return answer_new(argument);
      case SEND:
        return answer_send(fd, argument);
      case RECV:
        return answer_recv(fd, argument);
      case DMABUF_SYNC:
        return answer_sync(argument);
    }
  return (int)syscall(SYS_ioctl, fd, request, argument);
}
