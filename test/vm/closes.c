/*
 * Files that are closed with transactions under way, in every way that there is: by several processes with several
 * threads each, to servers that read, that echo, and that never read; without waiting and waiting; with memory along;
 * and by being killed. When it ends, all of its files are closed, and nothing of the guest's sends any more: the test
 * looks what the device still has. Needs the servers "echo", "sink", and "stuck", which never reads. Arguments: rounds
 * of each thread, and a seed; or "full", and how many files, which are closed when nothing more can be sent to any.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

#define PROCESSES 3
#define THREADS 3
/* Files of a thread at a time. */
#define FILES 4
#define MOST 16384
/* Files that are full at a time, at most. */
#define FULL 40

static const char* const servers[] = {"echo", "sink", "stuck"};
static const char data[MOST];
static int wl;
static unsigned long rounds, seed;

/* A context that waits for nothing, or -1 where the device has no place for it just now. */
static int context(const char* server) {
  int fd = make_vfd(wl, VIRTWL_IOCTL_NEW_CTX_NAMED, 0, server);

  if (fd >= 0) fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
  return fd;
}

/* Sends until the server, which does not read, and the device have no room: the last 16 are not answered. */
static ssize_t fill(int fd) {
  ssize_t written;

  do {
    while ((written = write(fd, data, PAGE)) > 0);
  } while (poll(&(struct pollfd){fd, POLLOUT, 0}, 1, 200) > 0);
  return written;
}

static void with_memory(int fd) {
  int memory = make_vfd(wl, VIRTWL_IOCTL_NEW_ALLOC, PAGE, NULL);

  if (memory < 0) return;
  send_txn(fd, data, 64, &memory, 1);
  close(memory);
}

static void round_of(void) {
  int fds[FILES], count = 1 + below(FILES), i;

  for (i = 0; i < count; i++) {
    /* What is full counts against all of the guest's for as long as the device lingers: so few are. */
    const char* server = servers[one_in(8) ? 2 : below(2)];
    int sends = below(24);

    fds[i] = context(server);
    if (fds[i] < 0) continue;
    if (server == servers[2] && one_in(4)) fill(fds[i]);
    while (sends--) {
      if (one_in(12)) with_memory(fds[i]);
      if (write(fds[i], data, 1 + below(one_in(8) ? MOST : 200)) < 0 && errno == EAGAIN && one_in(2))
        poll(&(struct pollfd){fds[i], POLLOUT, 0}, 1, below(20));
    }
    /* What waits in close(2) for the device. */
    if (one_in(4)) fcntl(fds[i], F_SETFL, O_RDWR);
  }
  if (one_in(3)) usleep(below(3000));
  for (i = 0; i < count; i++)
    if (fds[i] >= 0) close(fds[i]);
}

static void* thread(void* number) {
  draw_state = seed + (unsigned long)number;
  for (unsigned long i = 0; i < rounds; i++) round_of();
  return NULL;
}

static void process(unsigned long number) {
  pthread_t threads[THREADS];

  for (unsigned long i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, thread, (void*)(number * THREADS + i));
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  _exit(0);
}

int main(int count, char** arguments) {
  unsigned long victims = 0;
  pid_t pids[PROCESSES], victim;
  int i, left = PROCESSES;

  wl = open("/dev/wl0", O_RDWR);
  if (wl < 0 || count < 2) return 1;
  if (!strcmp(arguments[1], "full")) {
    int fds[FULL], files = count > 2 ? atoi(arguments[2]) : 1;

    if (files > FULL) return 1;
    for (i = 0; i < files; i++) {
      fds[i] = context("stuck");
      printf("%s%s", i ? " " : "full: ", outcome(fds[i] < 0 ? -1 : fill(fds[i])));
    }
    for (i = 0; i < files; i++) close(fds[i]);
    printf(", closed\n");
    return 0;
  }
  if (count < 3) return 1;
  rounds = strtoul(arguments[1], NULL, 10);
  seed = strtoul(arguments[2], NULL, 10) * 1000 + 1;
  draw_state = seed;
  for (i = 0; i < PROCESSES; i++)
    if ((pids[i] = fork()) == 0) process(i);
  /* And some that do not come to an end by themselves. */
  while (left) {
    if ((victim = fork()) == 0) {
      rounds = ~0ul;
      process(PROCESSES + victims);
    }
    victims++;
    usleep(20000 + below(200000));
    kill(victim, SIGKILL);
    waitpid(victim, NULL, 0);
    for (i = 0; i < PROCESSES; i++)
      if (pids[i] && waitpid(pids[i], NULL, WNOHANG) == pids[i]) {
        pids[i] = 0;
        left--;
      }
  }
  printf("done: %lu rounds, %lu killed\n", PROCESSES * THREADS * rounds, victims);
  return 0;
}
