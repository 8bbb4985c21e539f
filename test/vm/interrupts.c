/*
 * What transactions that nobody waits for cost, in interrupts of the device, and what must not be lost by that: room,
 * errors, closes. Needs the servers "echo"; "sink", which takes everything and says nothing; "later", which reads when
 * somebody has come to "go". Prints a line a part, for the test to judge. With an argument it does the closes only.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

/* How long anything may take in a guest that is emulated slowly, in milliseconds. */
#define PATIENCE_MS 60000
#define COUNT 100
/* Contexts that transactions go to in turn: so none has 16 under way, whatever the host's pace. */
#define SINKS 10
/* Between two transactions, for the device to answer, in microseconds. */
#define PACE_US 20000
/* One of these is more than the driver's WL_UNAWAITED_MAX of 64 KiB, with what the driver keeps of it. */
#define OVER 65536
/* Sixteen of these are not. */
#define UNDER 2048

static int wl;
/* The device's name among the kernel's, as "virtio3". */
static char device[64];
static char data[OVER];

static int find_device(void) {
  glob_t found;

  if (glob("/sys/bus/virtio/drivers/virtio_wl/virtio*", 0, NULL, &found)) return -1;
  snprintf(device, sizeof(device), "%s", strrchr(found.gl_pathv[0], '/') + 1);
  globfree(&found);
  return 0;
}

/* The device's interrupts until now, on all processors: of its queues, or of the line that they share. */
static unsigned long interrupts(void) {
  FILE* file = fopen("/proc/interrupts", "r");
  char line[4096];
  unsigned long sum = 0;

  while (file && fgets(line, sizeof(line), file)) {
    char *at = strchr(line, ':'), *end, *name = strrchr(line, ' ');

    if (!at || !name || strncmp(name + 1, device, strlen(device)) || isdigit((unsigned char)name[1 + strlen(device)]))
      continue;
    for (at++;; at = end) {
      unsigned long number = strtoul(at, &end, 10);

      if (end == at || !isspace((unsigned char)*end)) break;
      sum += number;
    }
  }
  if (file) fclose(file);
  return sum;
}

static int wait_for(int fd, short events) {
  struct pollfd p = {fd, events, 0};

  return poll(&p, 1, PATIENCE_MS) > 0 ? p.revents : 0;
}

static int context(const char* server) {
  int fd = make_vfd(wl, VIRTWL_IOCTL_NEW_CTX_NAMED, 0, server);

  if (fd < 0) {
    printf("no context: %s\n", strerrorname_np(errno));
    exit(1);
  }
  fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
  return fd;
}

/* Sends so much in one transaction, and waits until all of it is back. */
static int round_trip(int fd, size_t size) {
  size_t back = 0;

  if (write(fd, data, size) != (ssize_t)size) return -1;
  while (back < size) {
    ssize_t got;

    if (!(wait_for(fd, POLLIN) & POLLIN)) return -1;
    got = read(fd, data, sizeof(data));
    if (got <= 0) return -1;
    back += got;
  }
  return 0;
}

static void round_trips(void) {
  int fd = context("echo"), done;
  unsigned long before;

  /* What the making of it left to come is not counted. */
  usleep(10 * PACE_US);
  before = interrupts();
  for (done = 0; done < COUNT && !round_trip(fd, 64); done++);
  printf("round trips: %d, interrupts: %lu\n", done, interrupts() - before);
  close(fd);
}

/* Transactions to which nothing comes back. */
static void sends(const char* what, size_t size, int told) {
  int fds[SINKS], i, sent = 0, after = 0;
  unsigned long before, first;

  for (i = 0; i < SINKS; i++) fds[i] = context("sink");
  usleep(10 * PACE_US);
  first = interrupts();
  for (i = 0; i < COUNT; i++) {
    int waited = 0;

    before = interrupts();
    if (write(fds[i % SINKS], data, size) != (ssize_t)size) break;
    sent++;
    do {
      usleep(PACE_US);
      waited += PACE_US / 1000;
    } while (told && interrupts() == before && waited < PATIENCE_MS);
    if (interrupts() != before)
      after++;
    else if (told)
      break;
  }
  printf("%s: %d, interrupts: %lu, told: %d\n", what, sent, interrupts() - first, after);
  for (i = 0; i < SINKS; i++) close(fds[i]);
}

/* As many transactions as may be under way: the device answers none while the server does not read. */
static void full(void) {
  int fd = context("later"), status, go, waited, woken = 0;
  ssize_t written;
  pid_t writer;

  /* Once it takes no more for a while it takes no more. All 16 together are under the driver's bound. */
  do {
    while ((written = write(fd, data, UNDER)) > 0);
  } while (poll(&(struct pollfd){fd, POLLOUT, 0}, 1, 2000) > 0);
  printf("full: %s\n", outcome(written));
  writer = fork();
  /* It does nothing but wait, and without an end: who looks again then sees the room without having been told. */
  if (writer == 0) _exit(poll(&(struct pollfd){fd, POLLOUT, 0}, 1, -1) == 1 ? 0 : 1);
  usleep(25 * PACE_US);
  /* From here on the server reads. */
  go = context("go");
  for (waited = 0; !woken && waited < PATIENCE_MS; waited += PACE_US / 1000) {
    usleep(PACE_US);
    woken = waitpid(writer, &status, WNOHANG) == writer;
  }
  if (!woken) kill(writer, SIGKILL);
  printf("its writer: %s\n", woken && WIFEXITED(status) && !WEXITSTATUS(status) ? "woken" : "waits");
  close(go);
  close(fd);
}

/* Memory takes no transaction: so the device answers, to nobody who waits. Told once, and each has its own. */
static void error(void) {
  int fd = make_vfd(wl, VIRTWL_IOCTL_NEW_ALLOC, PAGE, NULL), i;

  fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
  printf("refused:");
  for (i = 0; i < 4; i++) {
    printf(" %s", outcome(send_txn(fd, "x", 1, NULL, 0)));
    usleep(50 * PACE_US);
  }
  printf("\n");
  close(fd);
}

/*
 * Files that are closed with their transactions in the queue still, answered, when nothing else goes on that would have
 * the driver look there.
 */
static void closes(void) {
  int fds[SINKS], i;

  for (i = 0; i < SINKS; i++) fds[i] = context("sink");
  for (i = 0; i < SINKS; i++)
    if (write(fds[i], data, 100) != 100) printf("close %d: %s\n", i, strerrorname_np(errno));
  usleep(50 * PACE_US);
  for (i = 0; i < SINKS; i++) close(fds[i]);
  printf("closed: %d\n", i);
}

int main(int count, char** arguments) {
  (void)arguments;
  wl = open("/dev/wl0", O_RDWR);
  if (wl < 0 || find_device()) return 1;
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (count > 1) {
    closes();
    return 0;
  }
  round_trips();
  sends("small", 64, 0);
  sends("large", OVER, 1);
  error();
  full();
  return 0;
}
