/*
 * The benchmark's client: a plain Wayland program that knows libwayland-client and nothing of ours, so that the same
 * binary is measured on the compositor itself, through waypipe and through `virtwl run`.
 *
 *   client --mode sync|full|small|newpool|start [--size 1920x1080] [--seconds 3] [--warmup 0.3]
 *          [--clients N] [--buffers N] [--beside WxH]
 *
 * It opens one toplevel, works in one mode for a fixed time and prints one line of JSON. A frame is: draw, attach,
 * damage, commit, and a wl_display.sync round trip, after which the compositor has seen the commit.
 *
 *   sync     no frames, only round trips
 *   full     every row gets a new value, all of the surface is damaged
 *   small    one square of SMALL x SMALL pixels changes and is damaged
 *   newpool  as full, but each frame has a new memory file, pool and buffer, and the old ones are destroyed
 *   start    one frame as in full, and no more; when the compositor had it is told by `first_frame`
 *
 * --clients: so many processes, which begin when all have their windows, and draw until the last was measured. Rates
 * are summed, times are those of all frames; who fails is counted. --buffers: each draws into so many buffers in turn,
 * and has shown all of them before it begins. --beside: another process draws `full` frames of
 * that size all the while, and is not measured.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "window.h"

static const char* const mode_names[] = {"sync", "full", "small", "newpool", "start"};
#define START 4
#define MODES 5

/* Frames that can be timed in one run, by all clients; a faster run keeps its count and stops timing. */
#define MAX_SAMPLES (1 << 22)
/* As many clients as a benchmark on one machine makes sense with. */
#define MAX_CLIENTS 1000
/* How long all windows may take to open, or all clients to end beyond their time, in seconds. */
#define PATIENCE 90
/* A frame or round trip that took longer, in microseconds, is counted as slow: a person may notice some of them in a
 * row. */
#define SLOW_US 1000
/* How often the others are looked after, in microseconds. */
#define LOOK_US 10000

struct options {
  int mode, width, height, clients, buffers, beside_width, beside_height;
  double seconds, warmup;
};

/* What one client measured. */
struct result {
  unsigned frames, before;
  double seconds, cpu_us, first_frame;
  int buffers;
  size_t samples;
};

/* What the processes share. */
struct shared {
  atomic_int ready, measured, over;
  struct result results[MAX_CLIENTS + 1]; /* the last: of the one beside */
  float samples[MAX_SAMPLES];             /* of each client its part; untouched, they take no memory */
};
static struct shared* shared;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Processor time of this process so far, in microseconds. */
static double cpu(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
         (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

/* ---- one client ------------------------------------------------------------------------------------------------ */

static void measure(const struct options* options, struct result* result, float* samples, size_t max_samples) {
  enum mode mode = (enum mode)options->mode;
  unsigned frame = 0, first = 0;
  size_t count = 0;
  double begin = now(), before = begin, measured_from = 0, cpu_from = 0;
  for (;;) {
    draw_frame(mode, frame++);
    double after = now();
    if (frame == 1) result->first_frame = after;
    if (measured_from > 0) {
      if (count < max_samples) samples[count++] = (float)((after - before) * 1e6);
      if (after - measured_from >= options->seconds) break;
    } else if (after - begin >= options->warmup) {
      measured_from = after;
      cpu_from = cpu();
      first = frame;
    }
    before = after;
  }
  result->seconds = now() - measured_from;
  result->cpu_us = cpu() - cpu_from;
  result->frames = frame - first;
  result->before = first;
  result->buffers = buffers_used();
  result->samples = count;
}

/* One frame, timed from when this process began to connect. */
static void measure_start(struct result* result, float* sample, double begin) {
  draw_frame(FULL, 0);
  double after = now();
  *sample = (float)((after - begin) * 1e6);
  *result = (struct result){.frames = 1, .seconds = after - begin, .cpu_us = cpu(), .first_frame = after};
  result->buffers = buffers_used();
  result->samples = 1;
}

static void run_alone(const struct options* options) {
  double begin = now();
  open_window("virtwl bench", options->width, options->height);
  if (options->mode == START)
    measure_start(&shared->results[0], shared->samples, begin);
  else {
    if (options->mode == FULL || options->mode == SMALL_DAMAGE) show_all_buffers();
    measure(options, &shared->results[0], shared->samples, MAX_SAMPLES);
  }
  close_window();
}

/* ---- many clients ---------------------------------------------------------------------------------------------- */

/* A client of many; or, where `which` is MAX_CLIENTS, the one beside them. Begins when `start` is closed. */
static void run_one_of_many(const struct options* options, int which, int start) {
  bool beside = which == MAX_CLIENTS;
  struct result* result = &shared->results[which];
  int count = options->clients;
  if (beside)
    open_window("virtwl bench beside", options->beside_width, options->beside_height);
  else
    open_window(count > 1 ? "virtwl bench crowd" : "virtwl bench", options->width, options->height);
  if (!beside && options->buffers > 0) show_all_buffers();
  atomic_fetch_add(&shared->ready, 1);
  wait_for_end_of(start);
  if (!beside) {
    size_t most = MAX_SAMPLES / (size_t)count;
    measure(options, result, shared->samples + (size_t)which * most, most);
    atomic_fetch_add(&shared->measured, 1);
  }
  /* Others that are still measured have no less beside them than before. */
  unsigned frame = result->before + result->frames;
  double from = now();
  for (; !atomic_load(&shared->over); frame++) draw_frame(beside ? FULL : (enum mode)options->mode, frame);
  if (beside) {
    result->frames = frame;
    result->seconds = now() - from;
  }
  close_window();
}

/* Waits until `done` and those that failed are all of `count`, or patience is over. Returns how many failed. */
static int await_all(atomic_int* done, int count, double patience, int failed) {
  for (double end = now() + patience; atomic_load(done) + failed < count && now() < end; usleep(LOOK_US)) {
    int status;
    while (waitpid(-1, &status, WNOHANG) > 0) failed++;
  }
  return failed;
}

/* Returns how many clients failed. */
static int run_many(const struct options* options) {
  static pid_t pids[MAX_CLIENTS + 1];
  bool beside = options->beside_width > 0;
  int count = options->clients + beside, start[2];
  if (pipe(start) < 0) die("a pipe");
  for (int i = 0; i < count; i++) {
    pids[i] = fork();
    if (pids[i] < 0) die("starting a client");
    if (pids[i] > 0) continue;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(start[1]);
    run_one_of_many(options, i < options->clients ? i : MAX_CLIENTS, start[0]);
    _exit(0);
  }
  int failed = await_all(&shared->ready, count, PATIENCE, 0);
  close(start[0]);
  close(start[1]);
  /* From here on the one beside counts as measured. */
  if (beside) atomic_fetch_add(&shared->measured, 1);
  await_all(&shared->measured, count, options->warmup + options->seconds + PATIENCE, failed);
  atomic_store(&shared->over, 1);
  for (double end = now() + PATIENCE; waitpid(-1, NULL, WNOHANG) >= 0; usleep(LOOK_US))
    if (now() > end)
      for (int i = 0; i < count; i++) kill(pids[i], SIGKILL);
  if (beside && !shared->results[MAX_CLIENTS].frames) {
    fprintf(stderr, "client: the one beside the others did not draw\n");
    exit(1);
  }
  return count - atomic_load(&shared->measured);
}

/* ---- the run --------------------------------------------------------------------------------------------------- */

static int compare_floats(const void* a, const void* b) {
  float x = *(const float*)a, y = *(const float*)b;
  return (x > y) - (x < y);
}

/* Sums of all clients that were measured, and their times in order. */
static void print_results(const struct options* options, int failed) {
  struct result sum = {0};
  double fps = 0, least = 0;
  size_t most = MAX_SAMPLES / (size_t)options->clients, count = 0;
  for (int i = 0; i < options->clients; i++) {
    const struct result* one = &shared->results[i];
    if (!one->samples) continue;
    double rate = one->frames / one->seconds;
    fps += rate;
    if (!count || rate < least) least = rate;
    sum.frames += one->frames;
    sum.before += one->before;
    sum.cpu_us += one->cpu_us;
    if (one->seconds > sum.seconds) sum.seconds = one->seconds;
    if (one->buffers > sum.buffers) sum.buffers = one->buffers;
    memmove(shared->samples + count, shared->samples + (size_t)i * most, one->samples * sizeof(float));
    count += one->samples;
  }
  if (!count) {
    fprintf(stderr, "client: none of %d clients was measured\n", options->clients);
    exit(1);
  }
  qsort(shared->samples, count, sizeof(float), compare_floats);
  const float* at = shared->samples;
  size_t slow = 0;
  while (slow < count && at[count - 1 - slow] > SLOW_US) slow++;
  const struct result* beside = &shared->results[MAX_CLIENTS];
  printf(
      "{\"mode\":\"%s\",\"width\":%d,\"height\":%d,\"frames\":%u,\"seconds\":%.3f,\"fps\":%.1f,"
      "\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,\"slow\":%zu,\"buffers\":%d,"
      "\"before\":%u,\"cpu_us\":%.0f,\"first_frame\":%.6f,"
      "\"clients\":%d,\"failed\":%d,\"least_fps\":%.1f,\"beside_fps\":%.1f}\n",
      mode_names[options->mode], options->width, options->height, sum.frames, sum.seconds, fps, at[count / 2],
      at[count * 9 / 10], at[count * 99 / 100], at[count - 1], slow, sum.buffers, sum.before, sum.cpu_us,
      shared->results[0].first_frame, options->clients, failed, least,
      beside->frames ? beside->frames / beside->seconds : 0);
}

static _Noreturn void usage(void) {
  fprintf(stderr,
          "usage: client --mode sync|full|small|newpool|start [--size WxH] [--seconds S] [--warmup S]\n"
          "              [--clients N] [--buffers N] [--beside WxH]\n");
  exit(2);
}

/* 16,384 keeps the largest buffer at 1 GiB, within the int32 of wl_shm. */
static void parse_size(const char* text, int* width, int* height) {
  if (sscanf(text, "%dx%d", width, height) != 2) usage();
  if (*width < SMALL || *height < SMALL || *width > 16384 || *height > 16384) usage();
}

int main(int argc, char** argv) {
  struct options options = {.mode = -1, .width = 1920, .height = 1080, .clients = 1, .seconds = 3, .warmup = 0.3};
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) usage();
    const char *option = argv[i], *value = argv[i + 1];
    if (strcmp(option, "--mode") == 0) {
      for (int m = 0; m < MODES; m++)
        if (strcmp(value, mode_names[m]) == 0) options.mode = m;
    } else if (strcmp(option, "--size") == 0) {
      parse_size(value, &options.width, &options.height);
    } else if (strcmp(option, "--seconds") == 0) {
      options.seconds = atof(value);
    } else if (strcmp(option, "--warmup") == 0) {
      options.warmup = atof(value);
    } else if (strcmp(option, "--clients") == 0) {
      options.clients = atoi(value);
    } else if (strcmp(option, "--buffers") == 0) {
      options.buffers = atoi(value);
      use_in_turn(options.buffers);
    } else if (strcmp(option, "--beside") == 0) {
      parse_size(value, &options.beside_width, &options.beside_height);
    } else {
      usage();
    }
  }
  if (options.mode < 0 || options.seconds <= 0 || options.warmup < 0) usage();
  if (options.clients < 1 || options.clients > MAX_CLIENTS) usage();
  bool many = options.clients > 1 || options.beside_width > 0;
  if (many && options.mode == START) usage();

  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (shared == MAP_FAILED) die("memory for the timings");
  int failed = 0;
  if (many)
    failed = run_many(&options);
  else
    run_alone(&options);
  print_results(&options, failed);
  return 0;
}
