/*
 * Holds a device that is about to be taken away: one process waits to read, one touches shared memory, one private
 * memory; the first one then tries everything. Prints what became of each.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

#define SIZE 65536

static void touch(volatile char* memory, const char* what) {
  if (fork()) return;
  said_on_bus = what;
  signal(SIGBUS, on_bus);
  for (;;) (void)*memory;
}

static void tell(const char* what, int failed) { printf("%s: %s\n", what, outcome(failed ? -1 : 0)); }

int main(void) {
  int wl = open("/dev/wl0", O_RDWR), memory, context;
  volatile char *shared, *private;
  char byte;

  if (wl < 0) return 1;
  memory = make_vfd(wl, VIRTWL_IOCTL_NEW_ALLOC, SIZE, NULL);
  if (memory < 0) return 1;
  shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  private = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, memory, 0);
  shared[0] = 1;
  private[0] = 1;
  context = make_vfd(wl, VIRTWL_IOCTL_NEW_CTX_NAMED, 0, "echo");
  if (context < 0) return 1;
  setvbuf(stdout, NULL, _IONBF, 0);
  if (!fork()) {
    printf("reader: %s\n", read(context, &byte, 1) == 0 ? "end" : "no end");
    _exit(0);
  }
  touch(shared + 100, "shared: SIGBUS\n");
  touch(private + SIZE / 2, "private: SIGBUS\n");
  printf("ready\n");
  while (wait(NULL) > 0);
  tell("write", write(context, "x", 1) < 0);
  tell("mmap", mmap(NULL, 4096, PROT_READ, MAP_SHARED, memory, 0) == MAP_FAILED);
  tell("new", make_vfd(wl, VIRTWL_IOCTL_NEW_CTX, 0, NULL) < 0);
  return 0;
}
