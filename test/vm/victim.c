/*
 * Uses a wl device that may lie, and prints what became of each call: a name of an errno, or that it worked.
 *
 *   victim alloc COUNT       makes memory so many times, and touches what it gets
 *   victim context COUNT     makes contexts
 *   victim image COUNT       makes images
 *   victim pipes             makes a pipe of either direction, and says what each end is for
 *   victim send COUNT        sends on one context, so many times, and prints what each SEND said
 *   victim hello COUNT       sends "hello" and must receive it, so many times; tries whatever vfds come along
 *   victim forgotten         has a context and memory; sends, and the device forgets both
 *   victim read              waits to read, and says what ended it
 *   victim full              sends without waiting until there is no room, then whatever waits for room, with a signal
 *   victim ids               uses up all ids, lets one go, and makes one more, with a signal
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

/* Longer than anything takes; a program that hangs all the same ends by this alarm, and is seen to. In seconds. */
#define PATIENCE 120

static int wl;

static int make(uint32_t type, const char* name) {
  struct virtwl_ioctl_new image = {.type = VIRTWL_IOCTL_NEW_DMABUF, .dmabuf = {.width = 16, .height = 16}};

  if (type == VIRTWL_IOCTL_NEW_DMABUF) return ioctl(wl, VIRTWL_IOCTL_NEW, &image) ? -1 : image.fd;
  return make_vfd(wl, type, PAGE, name);
}

static int context(void) {
  int fd = make(VIRTWL_IOCTL_NEW_CTX_NAMED, "any");

  if (fd < 0) {
    printf("context: %s\n", outcome(fd));
    exit(1);
  }
  return fd;
}

static int say(int fd, const char* text) { return send_txn(fd, text, (uint32_t)strlen(text), NULL, 0); }

/* Whatever came, nothing that can be done with it may harm. */
static void try(int fd) {
  struct pollfd ready = {fd, POLLIN | POLLOUT, 0};
  uint8_t* memory;
  char byte;

  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  poll(&ready, 1, 0);
  read(fd, &byte, 1);
  write(fd, "x", 1);
  memory = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
  if (memory != MAP_FAILED) munmap(memory, PAGE);
  close(fd);
}

static int hello(int fd) {
  char came[6] = "";
  uint32_t have = 0;
  struct txn txn;
  int i;

  if (say(fd, "hello")) return -1;
  while (have < 5) {
    txn.head.len = 5 - have;
    if (ioctl(fd, VIRTWL_IOCTL_RECV, &txn)) return -1;
    if (!txn.head.len && txn.head.fds[0] < 0) {
      errno = EPIPE;
      return -1;
    }
    memcpy(came + have, txn.data, txn.head.len);
    have += txn.head.len;
    for (i = 0; i < VIRTWL_SEND_MAX_ALLOCS && txn.head.fds[i] >= 0; i++) try(txn.head.fds[i]);
  }
  errno = EBADMSG;
  return strcmp(came, "hello") ? -1 : 0;
}

static void forgotten(void) {
  int fd = context(), memory = make(VIRTWL_IOCTL_NEW_ALLOC, NULL);
  volatile char* map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  char byte;

  if (map == MAP_FAILED) exit(1);
  map[1] = 1;
  say(fd, "forget");
  printf("read: %s\n", read(fd, &byte, 1) == 0 ? "end" : "no end");
  fflush(stdout);
  if (!fork()) {
    said_on_bus = "memory: SIGBUS\n";
    signal(SIGBUS, on_bus);
    map[1] = 2;
    printf("memory: there\n");
    _exit(0);
  }
  wait(NULL);
  printf("send: %s\n", outcome(say(fd, "x")));
  printf("mmap: %s\n", outcome(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, memory, 0) == MAP_FAILED ? -1 : 0));
  printf("new: %s\n", outcome(hello(context())));
}

static void pipes(void) {
  static const uint32_t types[] = {VIRTWL_IOCTL_NEW_PIPE_READ, VIRTWL_IOCTL_NEW_PIPE_WRITE};
  static const char* const modes[] = {[O_RDONLY] = "read only", [O_WRONLY] = "write only", [O_RDWR] = "both"};
  int i;

  for (i = 0; i < 2; i++) {
    int fd = make(types[i], NULL), mode = fcntl(fd, F_GETFL) & O_ACCMODE;

    printf("%s end: %s, write %s\n", i ? "writing" : "reading", modes[mode], outcome(write(fd, "x", 1)));
    close(fd);
  }
}

static void on_alarm(int number) { (void)number; }

/* From now on a signal comes again and again, so that one comes while something waits. */
static void interrupt(void) {
  struct itimerval often = {.it_value = {0, 300000}, .it_interval = {0, 300000}};
  struct sigaction action = {.sa_handler = on_alarm};

  sigaction(SIGALRM, &action, NULL);
  setitimer(ITIMER_REAL, &often, NULL);
}

/* Only for a device that answers no SEND: what is under way stays under way. */
static void full(void) {
  struct pollfd writable = {.events = POLLOUT};
  int last = context(), fd, sent = 0, before;

  fcntl(wl, F_SETFL, O_RDWR | O_NONBLOCK);
  do {
    before = sent;
    fd = make(VIRTWL_IOCTL_NEW_CTX_NAMED, "any");
    if (fd < 0) break;
    fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
    while (say(fd, "x") == 0) sent++;
    if (sent == 16) printf("one: 16, then %s\n", outcome(-1));
  } while (sent > before && sent < 10000);
  printf("all: %s, then %s\n", sent >= 64 ? "many" : "few", outcome(-1));
  fcntl(wl, F_SETFL, O_RDWR);
  writable.fd = last;
  printf("poll: %s\n", poll(&writable, 1, 0) ? "writable" : "not writable");
  interrupt();
  printf("send: %s\n", outcome(say(last, "x")));
  printf("new: %s\n", outcome(make(VIRTWL_IOCTL_NEW_CTX_NAMED, "any")));
}

/* Only for a device that answers no CLOSE. */
static void ids(void) {
  struct rlimit files = {4096, 4096};
  int count = 0, fd, last = -1;

  setrlimit(RLIMIT_NOFILE, &files);
  while ((fd = make(VIRTWL_IOCTL_NEW_CTX_NAMED, "any")) >= 0) {
    last = fd;
    count++;
  }
  printf("%d, then %s\n", count, outcome(-1));
  fcntl(last, F_SETFL, O_RDWR | O_NONBLOCK);
  close(last);
  interrupt();
  printf("one more: %s\n", outcome(make(VIRTWL_IOCTL_NEW_CTX_NAMED, "any")));
  fcntl(wl, F_SETFL, O_RDWR | O_NONBLOCK);
  printf("without waiting: %s\n", outcome(make(VIRTWL_IOCTL_NEW_CTX_NAMED, "any")));
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  int count = argc > 2 ? atoi(argv[2]) : 1, i, fd, good = 0;
  uint8_t* memory;
  char byte;

  alarm(PATIENCE);
  setvbuf(stdout, NULL, _IOLBF, 0);
  wl = open("/dev/wl0", O_RDWR);
  if (wl < 0) return printf("open: %s\n", outcome(wl)), 1;
  if (!strcmp(what, "forgotten")) {
    forgotten();
    return 0;
  }
  if (!strcmp(what, "pipes")) {
    pipes();
    return 0;
  }
  if (!strcmp(what, "full")) {
    full();
    return 0;
  }
  if (!strcmp(what, "ids")) {
    ids();
    return 0;
  }
  if (!strcmp(what, "read")) {
    fd = context();
    printf("ready\n");
    i = read(fd, &byte, 1);
    printf("read: %s\n", i == 0 ? "end" : outcome(i));
    return 0;
  }
  fd = !strcmp(what, "send") || !strcmp(what, "hello") ? context() : -1;
  for (i = 0; i < count; i++) {
    if (!strcmp(what, "alloc")) {
      fd = make(VIRTWL_IOCTL_NEW_ALLOC, NULL);
      printf("alloc: %s\n", outcome(fd));
      memory = fd < 0 ? MAP_FAILED : mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      if (memory != MAP_FAILED) {
        memory[0]++;
        munmap(memory, PAGE);
      }
      if (fd >= 0) close(fd);
    } else if (!strcmp(what, "context") || !strcmp(what, "image")) {
      fd = *what == 'c' ? make(VIRTWL_IOCTL_NEW_CTX_NAMED, "any") : make(VIRTWL_IOCTL_NEW_DMABUF, NULL);
      printf("%s: %s\n", what, outcome(fd));
      if (fd >= 0) close(fd);
    } else if (!strcmp(what, "send")) {
      printf("send: %s\n", outcome(say(fd, "x")));
    } else {
      int ret = hello(fd);

      if (ret) printf("hello %d: %s\n", i, outcome(ret));
      good += !ret;
    }
  }
  if (!strcmp(what, "hello")) printf("%d of %d\n", good, count);
  return 0;
}
