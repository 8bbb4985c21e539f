/* The benchmark client's window, of which a process has one. What fails ends the process with a message. */
#ifndef VIRTWL_BENCH_WINDOW_H
#define VIRTWL_BENCH_WINDOW_H

#include <stdint.h>

/* What a frame is: client.c. */
enum mode { SYNC, FULL, SMALL_DAMAGE, NEWPOOL };

/* Side of the square that `small` changes, in pixels. */
#define SMALL 64

/* Says what failed, with the Wayland error or errno behind it, and ends the process with status 1. */
_Noreturn void die(const char* what);

/* Connects and opens the window; returns when the compositor has configured it. */
void open_window(const char* title, int32_t width, int32_t height);

/* Draws a frame, and returns when the compositor has taken its commit. */
void draw_frame(enum mode mode, unsigned frame);

/* Before the window is opened: so many buffers, all of them shown at first, are drawn to one after the other. */
void use_in_turn(int count);

/* Shows each buffer once, so that none is new when frames are measured: whoever reads it first faults in its pages. */
void show_all_buffers(void);

/* Serves the connection until the other end of a pipe is closed. */
void wait_for_end_of(int fd);

/* How many buffers came into use, in the modes that keep them. */
int buffers_used(void);

void close_window(void);

#endif
