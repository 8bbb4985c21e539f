/*
 * What the programs that do their worst share (worst.c, worst_gpu.c): the parent of several processes of two threads
 * each, that kills them in whatever they wait for, starts others in their place, and tells in the end what was done. A
 * program defines ACTIONS, action_names and MAX_PROCESSES before it includes this.
 */
#ifndef VIRTWL_TEST_WORST_PROCESSES_H_
#define VIRTWL_TEST_WORST_PROCESSES_H_

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 2

/* Shared by all processes. */
static struct {
  unsigned long tried[ACTIONS], worked[ACTIONS], memories, killed, ended;
}* counts;

/* When all of it is to be over, by now(). */
static volatile double end;

/* What was asked for: --seconds N, --seed N, --processes N. */
struct worst_options {
  double seconds;
  uint64_t seed;
  unsigned int processes;
  int check;
};

static inline struct worst_options worst_options(int argc, char** argv) {
  struct worst_options options = {10, (uint64_t)time(NULL), 4, argc == 2 && !strcmp(argv[1], "check")};
  int i;

  for (i = 1; i + 1 < argc; i += 2) {
    if (!strcmp(argv[i], "--seconds"))
      options.seconds = atof(argv[i + 1]);
    else if (!strcmp(argv[i], "--seed"))
      options.seed = strtoull(argv[i + 1], NULL, 0);
    else if (!strcmp(argv[i], "--processes"))
      options.processes = (unsigned int)atoi(argv[i + 1]) % (MAX_PROCESSES + 1);
  }
  return options;
}

/* A signal that ends a wait, and nothing else. */
static inline void on_signal(int number) { (void)number; }

/* Where the guest has no memory left, its kernel takes this process, not the parent that counts. */
static inline void be_the_first_to_go(void) {
  int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

  if (fd < 0) return;
  if (write(fd, "1000", 4) != 4) perror("oom_score_adj");
  close(fd);
}

/* A process of two threads that "work", each from a seed of its own. "prepare" is called in it first. */
static inline pid_t start_process(uint64_t seed, void (*prepare)(void), void* (*work)(void*)) {
  static const struct sigaction nothing = {.sa_handler = on_signal};
  uint64_t seeds[THREADS];
  pthread_t other;
  pid_t pid = fork();
  int i;

  if (pid) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  be_the_first_to_go();
  sigaction(SIGUSR1, &nothing, NULL);
  signal(SIGPIPE, SIG_IGN);
  prepare();
  for (i = 0; i < THREADS; i++) seeds[i] = (seed + (uint64_t)i + 1) * 0x9e3779b97f4a7c15ull | 1;
  if (pthread_create(&other, NULL, work, &seeds[1])) _exit(0);
  work(&seeds[0]);
  pthread_join(other, NULL);
  _exit(0);
}

static inline void kill_process(pid_t pid) {
  int status;

  /* Without memory there was no process; and -1 are all. */
  if (pid <= 0) return;
  kill(pid, SIGKILL);
  waitpid(pid, &status, 0);
  counts->killed++;
}

/* The parent's work, from the first process to the last. The exit status. */
static inline int run_processes(const struct worst_options* options, void (*prepare)(void), void* (*work)(void*)) {
  unsigned int processes = options->processes, i;
  uint64_t next = options->seed;
  pid_t pids[MAX_PROCESSES];
  double last;
  int status;

  draw_state = options->seed * 2 + 1;
  end = now() + options->seconds;
  for (i = 0; i < processes; i++) pids[i] = start_process(next++, prepare, work);
  while (now() < end) {
    usleep(500000 + below(1500000));
    i = below(processes);
    if (one_in(3) && pids[i] > 0) {
      kill(pids[i], SIGUSR1);
      continue;
    }
    kill_process(pids[i]);
    pids[i] = start_process(next++, prepare, work);
  }
  /* A process that waits is woken, and then killed. */
  for (i = 0; i < processes; i++) {
    pid_t gone = 0;

    if (pids[i] <= 0) continue;
    for (last = now() + 2; !(gone = waitpid(pids[i], &status, WNOHANG)) && now() < last; usleep(50000))
      kill(pids[i], SIGUSR1);
    if (gone == pids[i])
      counts->ended++;
    else
      kill_process(pids[i]);
  }
  for (i = 0; i < ACTIONS; i++) printf("%s %lu of %lu\n", action_names[i], counts->worked[i], counts->tried[i]);
  printf("memories %lu killed %lu ended %lu\n", counts->memories, counts->killed, counts->ended);
  return 0;
}

/* Makes what is counted. 0, or -1 and a word on it. */
static inline int begin_counting(const struct worst_options* options) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("seed %llu\n", (unsigned long long)options->seed);
  counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (counts != MAP_FAILED) return 0;
  perror("counts");
  return -1;
}

#endif /* VIRTWL_TEST_WORST_PROCESSES_H_ */
