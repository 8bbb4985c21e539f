/*
 * libvirtwl, function by function: prints TAP. It needs the servers of test/bindings/c-library.test.ts, and a device.
 *
 *   c-library [--real]
 *
 * --real: the device is one, and not the stand-in of the test. That has a default server, and no pipe with two ends.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>
#include <virtwl.h>

#define PAGE 4096u
#define TIMEOUT_MS 60000

static unsigned int asserted, failed;
static int device;
static int real;

static int check(int passed, const char* what) {
  const int saved = errno;

  if (!passed) failed++;
  printf("%s %u - %s\n", passed ? "ok" : "not ok", ++asserted, what);
  if (!passed) printf("# errno at that point: %d (%s)\n", saved, strerror(saved));
  fflush(stdout);
  return passed;
}

static void refused(long result, int with, const char* what) { check(result == -1 && errno == with, what); }

/* Descriptors that this process has open. */
static int open_fds(void) {
  DIR* directory = opendir("/proc/self/fd");
  int count = 0;

  while (readdir(directory)) count++;
  closedir(directory);
  return count;
}

static void close_all(const int* fds, size_t count) {
  for (size_t i = 0; i < count; i++) close(fds[i]);
}

static int connected(const char* name) {
  const int context = virtwl_connect(device, name);

  if (context < 0) {
    printf("Bail out! cannot connect to %s: %s\n", name, strerror(errno));
    exit(1);
  }
  return context;
}

/* Until so many bytes have come, by a blocking context. */
static int receive_all(int context, char* data, size_t length, int* fds, size_t* count) {
  for (*count = 0; length > 0;) {
    int some[VIRTWL_MAX_FDS];
    size_t came;
    const ssize_t received = virtwl_receive(context, data, length, some, &came);

    if (received <= 0) return -1;
    memcpy(fds + *count, some, came * sizeof(*fds));
    *count += came;
    data += received;
    length -= (size_t)received;
  }
  return 0;
}

static void the_device(void) {
  refused(virtwl_open("/nowhere/wl0"), ENOENT, "a device that is not there: ENOENT");
  device = virtwl_open(NULL);
  check(device >= 0, "NULL opens /dev/wl0");
  check(fcntl(device, F_GETFD) & FD_CLOEXEC, "it closes on exec");
}

static void connections(void) {
  char data[16];
  int fds[VIRTWL_MAX_FDS], context;
  size_t count;

  if (!real) {
    context = virtwl_connect(device, NULL);
    check(context >= 0, "the default server");
    close(context);
  }
  context = virtwl_connect(device, "a-server-name-of-thirty-1-bytes");
  check(context >= 0, "a name of 31 bytes");
  close(context);
  refused(virtwl_connect(device, "a-server-name-of-thirty-two-byte"), ENAMETOOLONG, "32 bytes: ENAMETOOLONG");
  check(virtwl_connect(device, "absent") == -1 && (errno == ENODEV || errno == ENOENT || errno == EINVAL),
        "a server that is not offered: what the driver has for that");
  refused(virtwl_connect(-1, "echo"), EBADF, "no device: EBADF");

  context = connected("goodbye");
  check(receive_all(context, data, 7, fds, &count) == 0 && !memcmp(data, "goodbye", 7), "what a server says");
  check(virtwl_receive(context, data, sizeof(data), fds, &count) == 0 && count == 0, "and the end of it: 0 and no fds");
  close(context);
}

static void messages(void) {
  const int context = connected("echo"), memory = virtwl_new_memory(device, PAGE);
  int fds[2 * VIRTWL_MAX_FDS], more[VIRTWL_MAX_FDS + 1], before;
  char data[6000] = "", back[6000];
  size_t count;

  for (size_t i = 0; i < sizeof(data); i++) data[i] = (char)(i * 7 + i / 256);
  for (int i = 0; i <= VIRTWL_MAX_FDS; i++) more[i] = memory;

  check(virtwl_send(context, data, 10, &memory, 1) == 10, "bytes and a descriptor are sent");
  check(receive_all(context, back, 10, fds, &count) == 0 && !memcmp(back, data, 10), "the bytes come back");
  check(count == 1 && fds[0] != memory && virtwl_kind(fds[0]) == VIRTWL_MEMORY, "with memory");
  check(fcntl(fds[0], F_GETFD) & FD_CLOEXEC, "whose descriptor closes on exec");
  close_all(fds, count);

  check(virtwl_send(context, "x", 1, more, VIRTWL_MAX_FDS) == 1, "28 descriptors");
  check(receive_all(context, back, 1, fds, &count) == 0 && count == VIRTWL_MAX_FDS, "all of them come");
  close_all(fds, count);
  refused(virtwl_send(context, "x", 1, more, VIRTWL_MAX_FDS + 1), EINVAL, "29: EINVAL");
  check(virtwl_send(context, NULL, 0, NULL, 0) == 0, "nothing is sent as well");

  before = open_fds();
  check(virtwl_send(context, "y", 1, more, 3) == 1, "for a receiver that wants no descriptors");
  check(virtwl_receive(context, back, 1, NULL, NULL) == 1 && back[0] == 'y' && open_fds() == before,
        "what comes is closed");

  check(virtwl_send(context, data, VIRTWL_MAX_CHUNK, NULL, 0) == VIRTWL_MAX_CHUNK, "a chunk");
  check(virtwl_send(context, data + VIRTWL_MAX_CHUNK, VIRTWL_MAX_CHUNK + 1, &memory, 1) == VIRTWL_MAX_CHUNK,
        "of one byte more, a chunk");
  check(receive_all(context, back, sizeof(back), fds, &count) == 0 && !memcmp(back, data, VIRTWL_MAX_CHUNK),
        "both come back");
  close_all(fds, count);
  close(memory);
  close(context);
}

static void in_place(void) {
  static union {
    struct virtwl_message message;
    unsigned char room[sizeof(struct virtwl_message) + 100000];
  } out, in;
  const int context = connected("echo"), memory = virtwl_new_memory(device, PAGE);
  int fds[VIRTWL_MAX_FDS];
  size_t have = 0, count, descriptors = 0;
  int same = 1;

  for (size_t i = 0; i < 100000; i++) out.message.data[i] = (unsigned char)(i * 13 + i / 256);
  check(virtwl_send_message(context, &out.message, 100000, &memory, 1) == 100000, "100,000 bytes in place");
  while (have < 100000) {
    const ssize_t received = virtwl_receive_message(context, &in.message, 100000 - have, fds, &count);

    if (received <= 0) break;
    same &= !memcmp(in.message.data, out.message.data + have, (size_t)received);
    have += (size_t)received;
    close_all(fds, count);
    descriptors += count;
  }
  check(have == 100000 && same && descriptors == 1, "come back");
  if (sizeof(size_t) > 4) {
    const size_t over = (size_t)UINT32_MAX + 1;

    refused(virtwl_send_message(context, &out.message, over, NULL, 0), EMSGSIZE, "to send 4 GiB: EMSGSIZE");
    refused(virtwl_receive_message(context, &in.message, over, NULL, NULL), EMSGSIZE, "to receive as many: EMSGSIZE");
  }
  close(memory);
  close(context);
}

static void ignore(int number) { (void)number; }

static void interrupts(int on) {
  const struct itimerval timer = {{0, on ? 2000 : 0}, {0, on ? 2000 : 0}};
  const struct sigaction action = {.sa_handler = ignore};

  sigaction(SIGALRM, &action, NULL);
  setitimer(ITIMER_REAL, &timer, NULL);
}

static void waiting(void) {
  int context = connected("echo"), fds[VIRTWL_MAX_FDS];
  struct pollfd watched = {context, POLLIN, 0};
  char data[1000] = "";
  size_t count;

  interrupts(1);
  refused(virtwl_receive(context, data, 1, fds, &count), EINTR, "a signal ends a wait: EINTR");
  interrupts(0);
  fcntl(context, F_SETFL, fcntl(context, F_GETFL) | O_NONBLOCK);
  refused(virtwl_receive(context, data, 1, fds, &count), EAGAIN, "non-blocking, with nothing there: EAGAIN");
  check(poll(&watched, 1, 0) == 0, "poll says so too");
  virtwl_send(context, "x", 1, NULL, 0);
  check(poll(&watched, 1, TIMEOUT_MS) == 1 && virtwl_receive(context, data, 1, fds, &count) == 1, "poll says when");
  close(context);

  context = connected("silent");
  fcntl(context, F_SETFL, fcntl(context, F_GETFL) | O_NONBLOCK);
  while (virtwl_send(context, data, sizeof(data), NULL, 0) > 0);
  check(errno == EAGAIN, "to a server that never reads: EAGAIN at last");
  close(context);
}

/* What the server "pipes" writes into a pipe, and what it reads. */
static void pipes(void) {
  const char text[] = "written in the guest";
  const int context = connected("pipes"), here = virtwl_pipe(device, VIRTWL_PIPE_READ);
  const int there = virtwl_pipe(device, VIRTWL_PIPE_WRITE), other = connected("pipes");
  char data[100] = "";
  int fds[VIRTWL_MAX_FDS];
  size_t count;

  virtwl_send(context, "w", 1, &here, 1);
  check(read(here, data, sizeof(data)) > 0 && !strncmp(data, "written on the host", 19), "read(2) of a pipe");
  virtwl_send(other, "r", 1, &there, 1);
  check(write(there, text, strlen(text)) == (ssize_t)strlen(text), "write(2) to one");
  close(there);
  check(receive_all(other, data, strlen(text), fds, &count) == 0 && !memcmp(data, text, strlen(text)),
        "which the host reads to its end");
  close(here);
  close(context);
  close(other);
}

static void memory(void) {
  const int own = virtwl_new_memory(device, PAGE), file = open("/dev/null", O_ACCMODE);
  int end;
  char *one, *other;

  check(own >= 0 && virtwl_kind(own) == VIRTWL_MEMORY, "memory of this VM's own");
  one = virtwl_map(own, PAGE);
  other = virtwl_map(own, PAGE);
  if (!check(one && other && one != other, "mapped twice")) return;
  one[7] = 'v';
  check(other[7] == 'v', "what is written to one is in the other");
  check(virtwl_unmap(one, PAGE) == 0, "one is unmapped");
  close(own);
  check(other[7] == 'v', "the other outlives the descriptor");
  virtwl_unmap(other, PAGE);
  check(virtwl_map(device, PAGE) == NULL, "what is no memory is not mapped: NULL");

  end = virtwl_pipe(device, VIRTWL_PIPE_READ);
  check(virtwl_kind(end) == VIRTWL_PIPE_READ, "a pipe that is read here");
  close(end);
  end = virtwl_pipe(device, VIRTWL_PIPE_WRITE);
  check(virtwl_kind(end) == VIRTWL_PIPE_WRITE, "one that is written here");
  close(end);
  refused(virtwl_pipe(device, VIRTWL_CONTEXT), EINVAL, "no other: EINVAL");
  end = connected("echo");
  check(virtwl_kind(end) == VIRTWL_CONTEXT, "a context");
  close(end);
  refused(virtwl_kind(file), EINVAL, "none of these: EINVAL");
  close(file);
  refused(virtwl_kind(-1), EBADF, "no descriptor: EBADF");
}

/* What becomes of a request to an allocator of this name. */
static int asked(const char* name, uint64_t size, int timeout_ms) {
  const int context = connected(name), memory = virtwl_allocate(context, 1, size, timeout_ms), saved = errno;

  close(context);
  errno = saved;
  return memory;
}

static void allocator(void) {
  const int context = connected("allocator");
  int one, two, before;
  char* words;

  one = virtwl_allocate(context, 1, 3 * PAGE, TIMEOUT_MS);
  check(one >= 0, "memory of the host");
  words = virtwl_map(one, 3 * PAGE);
  check(words && !words[0] && !words[3 * PAGE - 1], "all of it is mapped, and zero");
  virtwl_unmap(words, 3 * PAGE);
  before = open_fds();
  refused(virtwl_allocate(context, 2, 0, TIMEOUT_MS), EINVAL, "of 0 bytes: EINVAL");
  refused(virtwl_allocate(context, UINT64_MAX, 0, TIMEOUT_MS), EINVAL, "whatever the id");
  refused(virtwl_allocate(context, 3, UINT64_MAX, TIMEOUT_MS), EINVAL, "that no file can have: EINVAL");
  refused(virtwl_allocate(context, 4, 512 * 1024 + 1, TIMEOUT_MS), EFBIG, "over what one request may have: EFBIG");
  two = virtwl_allocate(context, 5, 512 * 1024, TIMEOUT_MS);
  check(two >= 0, "as much as one may have");
  refused(virtwl_allocate(context, 6, 512 * 1024, TIMEOUT_MS), EDQUOT, "over the budget: EDQUOT");
  close(two);
  check(open_fds() == before, "a refusal leaves nothing open");
  fcntl(context, F_SETFL, fcntl(context, F_GETFL) | O_NONBLOCK);
  two = virtwl_allocate(context, 7, PAGE, TIMEOUT_MS);
  check(two >= 0, "a non-blocking context is waited for as well");
  close(two);
  close(one);
  close(context);

  interrupts(1);
  one = asked("slow", PAGE, TIMEOUT_MS);
  interrupts(0);
  check(one >= 0, "signals do not end the wait");
  close(one);

  before = open_fds();
  refused(asked("silent", PAGE, 20), ETIMEDOUT, "no answer in time: ETIMEDOUT");
  refused(asked("hangs-up", PAGE, TIMEOUT_MS), ECONNRESET, "none at all: ECONNRESET");
  refused(asked("odd", PAGE, TIMEOUT_MS), EPROTO, "an answer that is none: EPROTO");
  refused(asked("generous", PAGE, TIMEOUT_MS), EPROTO, "two descriptors: EPROTO");
  refused(asked("of-two-minds", PAGE, TIMEOUT_MS), EPROTO, "a refusal with memory: EPROTO");
  refused(asked("wrong", PAGE, TIMEOUT_MS), EPROTO, "a descriptor that is no memory: EPROTO");
  check(open_fds() == before, "none of these leaves a descriptor open");
  refused(virtwl_allocate(-1, 1, PAGE, TIMEOUT_MS), EBADF, "no context: EBADF");
}

#define THREADS 4
#define ROUNDS 200

static void* talk(void* wrong) {
  const int context = virtwl_connect(device, "echo");
  char data[500], back[500];
  int fds[VIRTWL_MAX_FDS];
  size_t count;

  for (int round = 0; round < ROUNDS; round++) {
    memset(data, context + round, sizeof(data));
    if (virtwl_send(context, data, sizeof(data), NULL, 0) != sizeof(data) ||
        receive_all(context, back, sizeof(back), fds, &count) || count || memcmp(data, back, sizeof(data)))
      *(int*)wrong = 1;
  }
  close(context);
  return NULL;
}

static void threads(void) {
  pthread_t running[THREADS];
  int wrong[THREADS] = {0}, any = 0;

  for (int i = 0; i < THREADS; i++) pthread_create(&running[i], NULL, talk, &wrong[i]);
  for (int i = 0; i < THREADS; i++) {
    pthread_join(running[i], NULL);
    any |= wrong[i];
  }
  check(!any, "threads do not disturb each other");
}

int main(int argc, char** argv) {
  int before;

  real = argc > 1 && !strcmp(argv[1], "--real");
  the_device();
  connections();
  /* From here on: the stand-in itself keeps the other end of a connection to the default server. */
  before = open_fds();
  messages();
  in_place();
  waiting();
  memory();
  if (real) pipes();
  allocator();
  threads();
  check(open_fds() == before, "nothing is open that was not closed");
  close(device);
  printf("1..%u\n", asserted);
  return failed > 0;
}
