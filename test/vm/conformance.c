/*
 * What a driver of /dev/wl0 must do, asked of the one that is there, with nothing but its header: each ioctl, each
 * errno, signals, fork, and mappings. Prints TAP. It needs a host server that sends back whatever it receives, bytes
 * and descriptors, and closes when it receives the four bytes "bye!".
 *
 *   conformance [--device /dev/wl0] [--echo echo] [--missing missing] [--strict] [--only PART]
 *
 * --strict adds what this project's driver promises beyond the ABI; without it the program may be run on any driver.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define TXN_DATA 16384
#include "guest.h"

/* How long a message may take through a device that is emulated slowly, in milliseconds. */
#define PATIENCE_MS 20000

static const char* device_path = "/dev/wl0";
static const char* echo_name = "echo";
static const char* missing_name = "missing";
static int strict;
static int wl;
static unsigned int asserted, failed;

static int check(int passed, const char* format, ...) {
  va_list list;
  int saved = errno;

  asserted++;
  if (!passed) failed++;
  printf("%s %u - ", passed ? "ok" : "not ok", asserted);
  va_start(list, format);
  vprintf(format, list);
  va_end(list);
  printf("\n");
  if (!passed) printf("# errno at that point: %d (%s)\n", saved, strerror(saved));
  fflush(stdout);
  return passed;
}

/* The call failed, and with this errno. */
static int refused(long result, int with, const char* what) {
  int saved = errno, right = result == -1 && saved == with;

  check(right, "%s: %s", what, strerrorname_np(with));
  if (!right) printf("# it returned %ld, errno %d\n", result, saved);
  return right;
}

static int new_vfd(uint32_t type, uint32_t size, const char* name) { return make_vfd(wl, type, size, name); }

static int context(void) { return new_vfd(VIRTWL_IOCTL_NEW_CTX_NAMED, 0, echo_name); }

static int recv_txn(int fd, struct txn* txn, uint32_t room) {
  memset(txn, 0xee, sizeof(*txn));
  txn->head.len = room;
  return ioctl(fd, VIRTWL_IOCTL_RECV, txn);
}

static int ready(int fd, short events, int ms) {
  struct pollfd p = {fd, events, 0};

  return poll(&p, 1, ms) > 0 ? p.revents : 0;
}

/* Receives until so many bytes and fds have come: a stream may come in any parts. */
static int recv_all(int fd, uint8_t* data, uint32_t length, int* fds, unsigned int count) {
  uint32_t have = 0;
  unsigned int got = 0, i;
  struct txn txn;

  while (have < length || got < count) {
    if (!ready(fd, POLLIN, PATIENCE_MS)) return -1;
    if (recv_txn(fd, &txn, length - have)) return -1;
    if (!txn.head.len && txn.head.fds[0] < 0) return -1;
    memcpy(data + have, txn.data, txn.head.len);
    have += txn.head.len;
    for (i = 0; i < VIRTWL_SEND_MAX_ALLOCS && txn.head.fds[i] >= 0; i++) {
      if (got < count) fds[got] = txn.head.fds[i];
      got++;
    }
  }
  return got == count ? 0 : -1;
}

static void the_device(void) {
  struct virtwl_ioctl_new arg;
  struct txn txn;
  uint32_t flags = 0;

  memset(&txn, 0, sizeof(txn));
  refused(ioctl(wl, VIRTWL_IOCTL_SEND, &txn), ENOTTY, "SEND on the device");
  refused(ioctl(wl, VIRTWL_IOCTL_RECV, &txn), ENOTTY, "RECV on the device");
  refused(ioctl(wl, VIRTWL_IOCTL_DMABUF_SYNC, &flags), ENOTTY, "DMABUF_SYNC on the device");
  refused(ioctl(wl, _IO('w', 77), 0), ENOTTY, "an unknown ioctl on the device");
  refused(ioctl(wl, VIRTWL_IOCTL_NEW, (void*)8), EFAULT, "NEW with a bad address");
  memset(&arg, 0, sizeof(arg));
  arg.type = 6;
  refused(ioctl(wl, VIRTWL_IOCTL_NEW, &arg), EINVAL, "NEW of an unknown type");
  arg.type = UINT32_MAX;
  refused(ioctl(wl, VIRTWL_IOCTL_NEW, &arg), EINVAL, "NEW of a nonsensical type");
  if (strict) {
    refused(new_vfd(VIRTWL_IOCTL_NEW_ALLOC, 0, NULL), EINVAL, "NEW_ALLOC of nothing");
    refused(new_vfd(VIRTWL_IOCTL_NEW_ALLOC, UINT32_MAX, NULL), EINVAL, "NEW_ALLOC that overflows when rounded");
    refused(ioctl(wl, _IOC(_IOC_READ | _IOC_WRITE, 'w', 0, 8), &arg), EINVAL, "NEW with a struct that is too short");
  }
}

/* Memory, or -1 where the device gives none, as one whose VMM has no shared memory: then that is said. */
static int some_memory(uint32_t size, const char* what) {
  int fd = new_vfd(VIRTWL_IOCTL_NEW_ALLOC, size, NULL);

  if (fd < 0 && errno == ENOMEM)
    printf("ok %u - %s # SKIP the device gives no memory: ENOMEM\n", ++asserted, what);
  else
    check(fd >= 0, "%s", what);
  fflush(stdout);
  return fd;
}

static void memory(void) {
  int fd = some_memory(PAGE + 1, "NEW_ALLOC of a page and a byte"), ctx, i;
  uint8_t *map, *other, *private;

  if (fd < 0) return;
  check(fcntl(fd, F_GETFD) & FD_CLOEXEC, "its descriptor closes on exec");
  map = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (!check(map != MAP_FAILED, "its size was rounded up to two pages, which map")) return;
  for (i = 0; i < (int)(2 * PAGE) && !map[i]; i++);
  check(i == (int)(2 * PAGE), "it is all zeros");
  memset(map, 0x5a, 2 * PAGE);
  other = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, PAGE);
  check(other != MAP_FAILED && other[0] == 0x5a && other[PAGE - 1] == 0x5a,
        "another mapping of its second page sees it");
  refused((long)mmap(NULL, 3 * PAGE, PROT_READ, MAP_SHARED, fd, 0), EINVAL, "mmap past its end");
  refused((long)mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, PAGE), EINVAL, "mmap across its end");
  refused((long)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 2 * PAGE), EINVAL, "mmap behind its end");

  private = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  if (check(private != MAP_FAILED && private[3] == 0x5a, "MAP_PRIVATE sees it")) {
    private[3] = 1;
    check(map[3] == 0x5a && private[3] == 1, "and what is written there stays there");
    if (fork() == 0) {
      private[4] = 9;
      _exit(private[3] == 1 && private[5] == 0x5a ? 0 : 1);
    }
    wait(&i);
    check(WIFEXITED(i) && !WEXITSTATUS(i) && private[4] == 0x5a, "a child has a copy of its own");
    munmap(private, PAGE);
  }
  private = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
  check(private != MAP_FAILED && private[3] == 0x5a, "MAP_PRIVATE to read only, as clients map keymaps");
  if (private != MAP_FAILED) munmap(private, PAGE);

  if (fork() == 0) {
    map[7] = 0x77;
    _exit(other[0] == 0x5a ? 0 : 1);
  }
  wait(&i);
  check(WIFEXITED(i) && !WEXITSTATUS(i) && map[7] == 0x77, "a child shares it");

  munmap(map, PAGE);
  check(map[PAGE] == 0x5a, "its second page is there when the first one is unmapped");
  close(fd);
  map[PAGE] = 0x42;
  check(other[0] == 0x42, "mappings outlive the descriptor");
  munmap(map + PAGE, PAGE);
  check(other[0] == 0x42, "and each other");
  munmap(other, PAGE);

  refused(new_vfd(VIRTWL_IOCTL_NEW_ALLOC, 0xfffff000, NULL), ENOMEM, "NEW_ALLOC of 4 GiB, more than any device gives");
  ctx = context();
  refused((long)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ctx, 0), EACCES, "mmap of a context");
  close(ctx);
}

static void streams(void) {
  int fd = context(), flags, i, good;
  static uint8_t sent[TXN_DATA], came[TXN_DATA];
  struct txn txn;

  if (!check(fd >= 0, "NEW_CTX_NAMED")) return;
  check((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR, "a context is for reading and writing");
  i = new_vfd(VIRTWL_IOCTL_NEW_CTX_NAMED, 0, missing_name);
  check(i < 0, "NEW_CTX_NAMED of a server that the host does not offer fails");
  check(ready(fd, POLLIN | POLLOUT, 0) == POLLOUT, "a new context is writable and not readable");
  flags = fcntl(fd, F_GETFL);
  fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  refused(recv_txn(fd, &txn, 10), EAGAIN, "RECV with O_NONBLOCK of nothing");
  refused(read(fd, came, 10), EAGAIN, "read with O_NONBLOCK of nothing");
  fcntl(fd, F_SETFL, flags);
  check(send_txn(fd, "", 0, NULL, 0) == 0, "SEND of nothing");
  refused(ioctl(fd, VIRTWL_IOCTL_SEND, (void*)8), EFAULT, "SEND with a bad address");
  refused(ioctl(fd, VIRTWL_IOCTL_RECV, (void*)8), EFAULT, "RECV with a bad address");
  refused(ioctl(fd, _IO('w', 77), 0), ENOTTY, "an unknown ioctl on a context");

  check(send_txn(fd, "hello", 5, NULL, 0) == 0, "SEND");
  check(ready(fd, POLLIN, PATIENCE_MS) & POLLIN, "poll tells of the answer");
  check(recv_txn(fd, &txn, 3) == 0 && txn.head.len == 3 && !memcmp(txn.data, "hel", 3), "RECV of its first part");
  good = 1;
  for (i = 0; i < VIRTWL_SEND_MAX_ALLOCS; i++) good &= txn.head.fds[i] == -1;
  check(good, "RECV says of each unused descriptor that it is -1");
  check(ready(fd, POLLIN, 0) & POLLIN, "the rest lies there");
  if (strict) {
    struct virtwl_ioctl_txn* edge = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct virtwl_ioctl_txn* at_end = (void*)((uint8_t*)edge + PAGE - sizeof(*edge));

    munmap((uint8_t*)edge + PAGE, PAGE);
    at_end->len = 2;
    refused(ioctl(fd, VIRTWL_IOCTL_RECV, at_end), EFAULT, "RECV with data at a bad address");
  }
  check(read(fd, came, 100) == 2 && !memcmp(came, "lo", 2), "read gives it, and no more than there is");
  check(write(fd, "abc", 3) == 3, "write");
  check(recv_all(fd, came, 3, NULL, 0) == 0 && !memcmp(came, "abc", 3), "which comes back");

  for (i = 0; i < 3; i++) send_txn(fd, "12345678", 8, NULL, 0);
  check(recv_all(fd, came, 24, NULL, 0) == 0 && !memcmp(came, "123456781234567812345678", 24),
        "three messages are one stream");
  for (i = 0; i < TXN_DATA; i++) sent[i] = (uint8_t)(i * 7 + i / 251);
  check(send_txn(fd, sent, TXN_DATA, NULL, 0) == 0, "SEND of 16 KiB at once");
  check(recv_all(fd, came, TXN_DATA, NULL, 0) == 0 && !memcmp(sent, came, TXN_DATA), "which comes back whole");
  if (strict) {
    struct txn large = {.head = {.len = UINT32_MAX}};

    memset(large.head.fds, 0xff, sizeof(large.head.fds));
    refused(ioctl(fd, VIRTWL_IOCTL_SEND, &large), ENOMEM, "SEND of 4 GiB");
  }

  send_txn(fd, "bye!", 4, NULL, 0);
  for (i = 0; i < 1000 && !(ready(fd, POLLIN, PATIENCE_MS) & POLLHUP); i++)
    if (recv_txn(fd, &txn, 100) || (!txn.head.len && txn.head.fds[0] < 0)) break;
  check(ready(fd, POLLIN, PATIENCE_MS) & POLLHUP, "poll tells when the host hangs up");
  check(recv_txn(fd, &txn, 100) == 0 && txn.head.len == 0 && txn.head.fds[0] == -1,
        "RECV at the end: no bytes, no descriptors");
  check(read(fd, came, 1) == 0, "read at the end: 0");
  check(lseek(fd, 0, SEEK_SET) == -1, "a vfd does not seek");
  close(fd);
}

static void memory_sent(int ctx) {
  int one = some_memory(PAGE, "NEW_ALLOC of a page, to be sent"), back, i, saved;
  uint8_t *map, *again, data[8];
  struct txn txn;

  if (one < 0) return;
  map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, one, 0);
  if (!check(map != MAP_FAILED, "which maps")) {
    close(one);
    return;
  }
  strcpy((char*)map, "from the guest");
  check(send_txn(ctx, "mem", 3, &one, 1) == 0, "SEND with memory");
  if (check(recv_all(ctx, data, 3, &back, 1) == 0, "the host sends it back")) {
    check(fcntl(back, F_GETFD) & FD_CLOEXEC, "a received descriptor closes on exec");
    again = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, back, 0);
    if (check(again != MAP_FAILED && !strcmp((char*)again, "from the guest"), "it is the same memory")) {
      strcpy((char*)map, "changed");
      check(!strcmp((char*)again, "changed"), "at any time");
      munmap(again, PAGE);
    }
    close(back);
  }
  /* A socket of the host carries no descriptor without a byte. A device may refuse it, or answer and not carry it. */
  if (send_txn(ctx, "", 0, &one, 1)) {
    check(errno == EINVAL || errno == ENODEV, "memory without a byte is refused");
  } else if (ready(ctx, POLLIN, 1000)) {
    if (check(recv_all(ctx, data, 0, &back, 1) == 0, "memory sent without a byte comes back")) close(back);
  } else {
    check(!strict, "memory without a byte is not lost in silence");
  }

  if (strict) {
    struct rlimit limit, none;

    send_txn(ctx, "efg", 3, &one, 1);
    ready(ctx, POLLIN, PATIENCE_MS);
    getrlimit(RLIMIT_NOFILE, &limit);
    none = limit;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    i = recv_txn(ctx, &txn, 100);
    saved = errno;
    setrlimit(RLIMIT_NOFILE, &limit);
    errno = saved;
    refused(i, EMFILE, "RECV when the process may have no more descriptors");
    if (check(recv_all(ctx, data, 3, &back, 1) == 0 && !memcmp(data, "efg", 3), "and afterwards it is all there"))
      close(back);
  }
  munmap(map, PAGE);
  close(one);
}

static void descriptors(void) {
  int ctx = context(), one = new_vfd(VIRTWL_IOCTL_NEW_PIPE_READ, 0, NULL), event = eventfd(0, 0);
  int fds[VIRTWL_SEND_MAX_ALLOCS], back[VIRTWL_SEND_MAX_ALLOCS], i, good;
  uint8_t data[8];

  refused(send_txn(ctx, "x", 1, &event, 1), EINVAL, "SEND with a descriptor that is no vfd");
  fds[0] = one;
  fds[1] = event;
  refused(send_txn(ctx, "x", 1, fds, 2), EINVAL, "also when it is not the first");
  refused(send_txn(ctx, "x", 1, &wl, 1), EINVAL, "SEND with the device itself");
  fds[0] = 999;
  refused(send_txn(ctx, "x", 1, fds, 1), EBADFD, "SEND with a number that is no descriptor");
  close(event);
  close(one);

  memory_sent(ctx);

  for (i = 0; i < VIRTWL_SEND_MAX_ALLOCS; i++) fds[i] = new_vfd(VIRTWL_IOCTL_NEW_PIPE_READ, 0, NULL);
  check(send_txn(ctx, "many", 4, fds, VIRTWL_SEND_MAX_ALLOCS) == 0, "SEND with 28 descriptors");
  if (check(recv_all(ctx, data, 4, back, VIRTWL_SEND_MAX_ALLOCS) == 0, "which come back")) {
    good = 1;
    for (i = 0; i < VIRTWL_SEND_MAX_ALLOCS; i++) good &= write(back[i], &i, sizeof(i)) == sizeof(i);
    check(good, "each is the other end of a pipe, and can be written to");
    for (i = 0; i < VIRTWL_SEND_MAX_ALLOCS; i++) {
      int number = -1;

      good &= read(fds[i], &number, sizeof(number)) == sizeof(number) && number == i;
    }
    check(good, "they came in order");
    for (i = 0; i < VIRTWL_SEND_MAX_ALLOCS; i++) close(back[i]);
  }
  for (i = 0; i < VIRTWL_SEND_MAX_ALLOCS; i++) close(fds[i]);
  close(ctx);
}

static void pipes(void) {
  int ctx = context(), in = new_vfd(VIRTWL_IOCTL_NEW_PIPE_READ, 0, NULL);
  int out = new_vfd(VIRTWL_IOCTL_NEW_PIPE_WRITE, 0, NULL), far;
  uint8_t data[16];

  check(in >= 0 && (fcntl(in, F_GETFL) & O_ACCMODE) == O_RDONLY, "NEW_PIPE_READ gives a reading end");
  check(out >= 0 && (fcntl(out, F_GETFL) & O_ACCMODE) == O_WRONLY, "NEW_PIPE_WRITE gives a writing end");
  refused(write(in, "x", 1), EBADF, "write to a reading end");
  refused(read(out, data, 1), EBADF, "read from a writing end");
  refused((long)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, in, 0), EACCES, "mmap of a pipe");

  send_txn(ctx, "p", 1, &in, 1);
  if (check(recv_all(ctx, data, 1, &far, 1) == 0, "a reading end's other end comes back")) {
    check((fcntl(far, F_GETFL) & O_ACCMODE) == O_WRONLY, "and is for writing");
    check(write(far, "through", 7) == 7 && read(in, data, 16) == 7 && !memcmp(data, "through", 7), "bytes go through");
    close(far);
    check(ready(in, POLLIN, PATIENCE_MS) & POLLHUP, "the reader is told when the last writer is gone");
    check(read(in, data, 16) == 0, "and reads the end");
  }
  send_txn(ctx, "p", 1, &out, 1);
  if (check(recv_all(ctx, data, 1, &far, 1) == 0, "a writing end's other end comes back")) {
    check((fcntl(far, F_GETFL) & O_ACCMODE) == O_RDONLY, "and is for reading");
    check(write(out, "back", 4) == 4 && read(far, data, 16) == 4 && !memcmp(data, "back", 4), "bytes go through");
    close(out);
    check(ready(far, POLLIN, PATIENCE_MS) & POLLHUP, "the reader is told when the writer closes");
    close(far);
    out = -1;
  }
  close(in);
  if (out >= 0) close(out);
  close(ctx);
}

/* One context is written to and not read; another one works meanwhile, and nothing is lost. */
static void a_slow_reader(void) {
  int slow = context(), other = context(), good = 1;
  static uint8_t part[TXN_DATA];
  uint32_t sent = 0, read_back = 0, i;
  struct txn txn;
  uint8_t byte;

  fcntl(slow, F_SETFL, fcntl(slow, F_GETFL) | O_NONBLOCK);
  while (sent < 1u << 20) {
    for (i = 0; i < sizeof(part); i++) part[i] = (uint8_t)((sent + i) / 5);
    if (send_txn(slow, part, sizeof(part), NULL, 0) == 0)
      sent += sizeof(part);
    else if (errno != EAGAIN || !ready(slow, POLLOUT, 500))
      break;
  }
  printf("# %u bytes were taken\n", sent);
  check(sent > 0 && (sent == 1u << 20 || errno == EAGAIN),
        "SEND with O_NONBLOCK takes what there is room for, and then: EAGAIN");
  for (i = 0; i < 20 && good; i++)
    good = send_txn(other, "y", 1, NULL, 0) == 0 && recv_all(other, &byte, 1, NULL, 0) == 0 && byte == 'y';
  check(good, "another context goes on meanwhile");
  good = 1;
  while (read_back < sent && good) {
    good = (ready(slow, POLLIN, PATIENCE_MS) & POLLIN) && recv_txn(slow, &txn, TXN_DATA) == 0 && txn.head.len > 0;
    for (i = 0; i < txn.head.len && good; i++) good = txn.data[i] == (uint8_t)((read_back + i) / 5);
    read_back += txn.head.len;
  }
  if (!check(good && read_back == sent, "all of it comes back when it is read"))
    printf("# %u of %u bytes; the last part had %u\n", read_back, sent, txn.head.len);
  close(slow);
  close(other);
}

static void on_signal(int number) { (void)number; }

static void signals(void) {
  struct sigaction action = {.sa_handler = on_signal};
  struct itimerval soon = {.it_value = {0, 200000}, .it_interval = {0, 200000}}, never = {};
  int fd = context(), status;
  uint8_t byte;
  struct txn txn;
  pid_t child;

  sigaction(SIGALRM, &action, NULL);
  setitimer(ITIMER_REAL, &soon, NULL);
  refused(recv_txn(fd, &txn, 10), EINTR, "a signal ends RECV's wait");
  refused(read(fd, &byte, 1), EINTR, "a signal ends read's wait");
  setitimer(ITIMER_REAL, &never, NULL);

  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, NULL);
  child = fork();
  if (!child) {
    setitimer(ITIMER_REAL, &soon, NULL);
    _exit(read(fd, &byte, 1) == 1 && byte == 'q' ? 0 : 1);
  }
  usleep(700000);
  write(fd, "q", 1);
  waitpid(child, &status, 0);
  check(WIFEXITED(status) && !WEXITSTATUS(status), "with SA_RESTART, read goes on after signals");

  child = fork();
  if (!child) {
    recv_txn(fd, &txn, 10);
    _exit(0);
  }
  usleep(300000);
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  check(WIFSIGNALED(status), "a process that waits in RECV can be killed");
  check(write(fd, "r", 1) == 1 && recv_all(fd, &byte, 1, NULL, 0) == 0 && byte == 'r',
        "and the context works as before");
  close(fd);
}

static void processes(void) {
  int fd = context(), status;
  uint8_t data[8];
  char number[16];

  if (fork() == 0) {
    write(fd, "child", 5);
    close(fd);
    _exit(0);
  }
  wait(&status);
  check(recv_all(fd, data, 5, NULL, 0) == 0 && !memcmp(data, "child", 5), "a child may use a context, and end");
  check(write(fd, "on", 2) == 2 && recv_all(fd, data, 2, NULL, 0) == 0, "which goes on in the parent");
  snprintf(number, sizeof(number), "%d", fd);
  if (fork() == 0) {
    execl("/proc/self/exe", "conformance", "--is-closed", number, NULL);
    _exit(3);
  }
  wait(&status);
  check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "exec closes it");
  fcntl(fd, F_SETFD, 0);
  if (fork() == 0) {
    execl("/proc/self/exe", "conformance", "--is-open", number, NULL);
    _exit(3);
  }
  wait(&status);
  check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "unless it was told not to");
  close(fd);
}

static void images(void) {
  struct virtwl_ioctl_new arg;
  uint32_t flags = 1 << 20;
  int ctx = context(), result;

  memset(&arg, 0, sizeof(arg));
  arg.type = VIRTWL_IOCTL_NEW_DMABUF;
  arg.dmabuf.width = 64;
  arg.dmabuf.height = 64;
  arg.dmabuf.format = 0x34325258; /* XR24 */
  result = ioctl(wl, VIRTWL_IOCTL_NEW, &arg);
  if (result == 0) {
    check(arg.dmabuf.stride0 >= 256, "NEW_DMABUF gives an image with a stride");
    close(arg.fd);
  } else {
    check(errno == ENOTTY || errno == EINVAL || errno == ENOMEM || errno == ENODEV, "NEW_DMABUF is cleanly refused");
  }
  refused(ioctl(ctx, VIRTWL_IOCTL_DMABUF_SYNC, &flags), EINVAL, "DMABUF_SYNC with unknown flags");
  refused(ioctl(ctx, VIRTWL_IOCTL_DMABUF_SYNC, (void*)8), EFAULT, "DMABUF_SYNC with a bad address");
  if (strict) {
    flags = 3;
    check(ioctl(ctx, VIRTWL_IOCTL_DMABUF_SYNC, &flags) == -1, "DMABUF_SYNC of a context fails");
  }
  close(ctx);
}

static void limit(void) {
  static int fds[2100];
  struct rlimit files = {4096, 4096};
  int count = 0, error, again;

  setrlimit(RLIMIT_NOFILE, &files);
  while (count < 2100 && (fds[count] = new_vfd(VIRTWL_IOCTL_NEW_PIPE_READ, 0, NULL)) >= 0) count++;
  error = errno;
  printf("# %d vfds, then %s\n", count, strerror(error));
  check(count == 2047 || error == ENOMEM, "2,047 vfds, or as many as the host has room for");
  check(count <= 2047, "and no more");
  if (count == 2047 && strict) check(error == ENOSPC, "the next one: ENOSPC");
  while (count) close(fds[--count]);
  again = new_vfd(VIRTWL_IOCTL_NEW_PIPE_READ, 0, NULL);
  check(again >= 0, "when they are closed there is room at once");
  close(again);
}

static const struct {
  const char* name;
  void (*run)(void);
} parts[] = {
    {"device", the_device},       {"memory", memory}, {"streams", streams}, {"slow", a_slow_reader},
    {"descriptors", descriptors}, {"pipes", pipes},   {"signals", signals}, {"processes", processes},
    {"images", images},           {"limit", limit},
};

int main(int argc, char** argv) {
  const char* only = NULL;
  int i;

  for (i = 1; i < argc; i++) {
    const char* value = i + 1 < argc ? argv[i + 1] : "";

    if (!strcmp(argv[i], "--strict"))
      strict = 1;
    else if (!strcmp(argv[i], "--is-closed"))
      return fcntl(atoi(value), F_GETFD) == -1 && errno == EBADF ? 0 : 1;
    else if (!strcmp(argv[i], "--is-open"))
      return fcntl(atoi(value), F_GETFD) >= 0 ? 0 : 1;
    else if (!strcmp(argv[i], "--device"))
      device_path = argv[++i];
    else if (!strcmp(argv[i], "--only"))
      only = argv[++i];
    else if (!strcmp(argv[i], "--echo"))
      echo_name = argv[++i];
    else if (!strcmp(argv[i], "--missing"))
      missing_name = argv[++i];
    else
      return fprintf(stderr, "conformance: unknown argument %s\n", argv[i]), 2;
  }
  wl = open(device_path, O_RDWR | O_CLOEXEC);
  if (!check(wl >= 0, "%s opens", device_path)) return 1;
  for (i = 0; i < (int)(sizeof(parts) / sizeof(*parts)); i++)
    if (!only || !strcmp(only, parts[i].name)) parts[i].run();
  printf("1..%u\n# %u failed\n", asserted, failed);
  return failed > 0;
}
