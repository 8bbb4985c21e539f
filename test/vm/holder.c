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

#include "virtwl_uapi.h"

#define SIZE 65536

static const char* told;

static void on_bus(int number) {
  (void)number;
  write(1, told, strlen(told));
  _exit(0);
}

static void touch(volatile char* memory, const char* what) {
  if (fork()) return;
  told = what;
  signal(SIGBUS, on_bus);
  for (;;) (void)*memory;
}

static void tell(const char* what, int failed) { printf("%s: %s\n", what, failed ? strerrorname_np(errno) : "works"); }

int main(void) {
  struct virtwl_ioctl_new arg = {.type = VIRTWL_IOCTL_NEW_ALLOC, .size = SIZE};
  int wl = open("/dev/wl0", O_RDWR), memory, context;
  volatile char *shared, *private;
  char byte;

  if (wl < 0 || ioctl(wl, VIRTWL_IOCTL_NEW, &arg)) return 1;
  memory = arg.fd;
  shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  private = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, memory, 0);
  shared[0] = 1;
  private[0] = 1;
  memset(&arg, 0, sizeof(arg));
  arg.type = VIRTWL_IOCTL_NEW_CTX_NAMED;
  strcpy(arg.name, "echo");
  if (ioctl(wl, VIRTWL_IOCTL_NEW, &arg)) return 1;
  context = arg.fd;
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
  memset(&arg, 0, sizeof(arg));
  arg.type = VIRTWL_IOCTL_NEW_CTX;
  tell("new", ioctl(wl, VIRTWL_IOCTL_NEW, &arg));
  return 0;
}
