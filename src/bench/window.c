/*
 * The benchmark client's window: one toplevel with buffers in wl_shm, and the frames that the modes draw. It knows
 * libwayland-client and nothing of ours.
 *
 * Buffers are used as the protocol wants it: one that the compositor has not released is not drawn to. There are two,
 * and a third when both are taken; or as many as are wished, in turn.
 */
#define _GNU_SOURCE
#include "window.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wayland-client.h>

#include "xdg-shell-client-protocol.h"

/* Buffers by themselves, and at most where they are used in turn. */
#define BUFFERS 3
#define MAX_BUFFERS 16

struct buffer {
  struct wl_buffer* wl;
  uint8_t* pixels;
  bool busy;
};

static struct wl_display* display;
static struct wl_compositor* compositor;
static struct wl_shm* shm;
static struct xdg_wm_base* wm_base;
static struct wl_surface* surface;
static bool configured, closed;

static int32_t width, height;
static size_t stride, size;
static struct buffer buffers[MAX_BUFFERS];
static int buffer_count;
/* How many are used in turn, 0: as few as there can be; and which of them is next. */
static int in_turn, next_in_turn;

void die(const char* what) {
  int display_error = display ? wl_display_get_error(display) : 0;
  if (display_error == EPROTO) {
    const struct wl_interface* interface = NULL;
    uint32_t id = 0, code = wl_display_get_protocol_error(display, &interface, &id);
    fprintf(stderr, "client: %s: protocol error %u on %s@%u\n", what, code, interface ? interface->name : "?", id);
  } else {
    fprintf(stderr, "client: %s: %s\n", what, strerror(display_error ? display_error : errno));
  }
  exit(1);
}

/* ---- events ---------------------------------------------------------------------------------------------------- */

static void on_ping(void* data, struct xdg_wm_base* base, uint32_t serial) {
  (void)data;
  xdg_wm_base_pong(base, serial);
}
static const struct xdg_wm_base_listener wm_base_listener = {.ping = on_ping};

static void on_surface_configure(void* data, struct xdg_surface* xdg_surface, uint32_t serial) {
  (void)data;
  xdg_surface_ack_configure(xdg_surface, serial);
  configured = true;
}
static const struct xdg_surface_listener xdg_surface_listener = {.configure = on_surface_configure};

/* A size is a wish; this program keeps the one it was told to measure. */
static void on_toplevel_configure(void* data, struct xdg_toplevel* toplevel, int32_t w, int32_t h,
                                  struct wl_array* states) {
  (void)data, (void)toplevel, (void)w, (void)h, (void)states;
}
static void on_close(void* data, struct xdg_toplevel* toplevel) {
  (void)data, (void)toplevel;
  closed = true;
}
static const struct xdg_toplevel_listener toplevel_listener = {.configure = on_toplevel_configure, .close = on_close};

static void on_release(void* data, struct wl_buffer* wl) {
  (void)wl;
  ((struct buffer*)data)->busy = false;
}
static const struct wl_buffer_listener buffer_listener = {.release = on_release};

static void on_global(void* data, struct wl_registry* registry, uint32_t name, const char* interface,
                      uint32_t version) {
  (void)data;
  if (strcmp(interface, wl_compositor_interface.name) == 0 && version >= 4)
    compositor = wl_registry_bind(registry, name, &wl_compositor_interface, 4);
  else if (strcmp(interface, wl_shm_interface.name) == 0)
    shm = wl_registry_bind(registry, name, &wl_shm_interface, 1);
  else if (strcmp(interface, xdg_wm_base_interface.name) == 0) {
    wm_base = wl_registry_bind(registry, name, &xdg_wm_base_interface, 1);
    xdg_wm_base_add_listener(wm_base, &wm_base_listener, NULL);
  }
}
static void on_global_remove(void* data, struct wl_registry* registry, uint32_t name) {
  (void)data, (void)registry, (void)name;
}
static const struct wl_registry_listener registry_listener = {.global = on_global, .global_remove = on_global_remove};

static void round_trip(void) {
  if (wl_display_roundtrip(display) < 0) die("round trip");
  if (closed) {
    fprintf(stderr, "client: the compositor closed the window\n");
    exit(1);
  }
}

/* ---- buffers --------------------------------------------------------------------------------------------------- */

static void create_buffer(struct buffer* buffer) {
  int fd = memfd_create("bench", MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, (off_t)size) < 0) die("memory for a buffer");
  buffer->pixels = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (buffer->pixels == MAP_FAILED) die("mmap of a buffer");
  struct wl_shm_pool* pool = wl_shm_create_pool(shm, fd, (int32_t)size);
  buffer->wl = wl_shm_pool_create_buffer(pool, 0, width, height, (int32_t)stride, WL_SHM_FORMAT_XRGB8888);
  wl_buffer_add_listener(buffer->wl, &buffer_listener, buffer);
  wl_shm_pool_destroy(pool);
  close(fd);
  buffer->busy = false;
}

static void destroy_buffer(struct buffer* buffer) {
  wl_buffer_destroy(buffer->wl);
  munmap(buffer->pixels, size);
  memset(buffer, 0, sizeof *buffer);
}

static struct buffer* one_more_buffer(void) {
  struct buffer* buffer = &buffers[buffer_count++];
  create_buffer(buffer);
  memset(buffer->pixels, 0x40, size); /* what lies around the square of `small` */
  return buffer;
}

static struct buffer* free_buffer(void) {
  for (;;) {
    for (int i = 0; i < buffer_count; i++) {
      struct buffer* buffer = &buffers[(next_in_turn + i) % buffer_count];
      if (buffer->busy) continue;
      if (in_turn) next_in_turn = (int)(buffer - buffers + 1) % buffer_count;
      return buffer;
    }
    if (buffer_count < BUFFERS) return one_more_buffer();
    if (wl_display_dispatch(display) < 0) die("waiting for a buffer's release");
  }
}

/* Every row changes in every frame and differs from its neighbours, so that nobody on the way can leave rows out. */
static void fill(uint8_t* pixels, int32_t w, int32_t h, unsigned frame) {
  for (int32_t row = 0; row < h; row++)
    memset(pixels + (size_t)row * stride, (int)((frame * 3 + (unsigned)row) & 0xff), (size_t)w * 4);
}

static void commit(struct buffer* buffer, int32_t damage_width, int32_t damage_height) {
  wl_surface_attach(surface, buffer->wl, 0, 0);
  wl_surface_damage_buffer(surface, 0, 0, damage_width, damage_height);
  wl_surface_commit(surface);
  buffer->busy = true;
}

void draw_frame(enum mode mode, unsigned frame) {
  static struct buffer* shown; /* of newpool: the frame before */
  struct buffer* buffer;
  switch (mode) {
    case SYNC:
      break;
    case FULL:
      buffer = free_buffer();
      fill(buffer->pixels, width, height, frame);
      commit(buffer, width, height);
      break;
    case SMALL_DAMAGE:
      buffer = free_buffer();
      fill(buffer->pixels, SMALL, SMALL, frame);
      commit(buffer, SMALL, SMALL);
      break;
    case NEWPOOL:
      buffer = &buffers[frame % 2];
      create_buffer(buffer);
      fill(buffer->pixels, width, height, frame);
      commit(buffer, width, height);
      if (shown) destroy_buffer(shown); /* the commit has replaced it */
      shown = buffer;
      break;
  }
  round_trip();
}

void open_window(const char* title, int32_t w, int32_t h) {
  width = w;
  height = h;
  stride = (size_t)width * 4;
  size = stride * (size_t)height;
  display = wl_display_connect(NULL);
  if (!display) die("connecting to the compositor ($WAYLAND_DISPLAY)");
  struct wl_registry* registry = wl_display_get_registry(display);
  wl_registry_add_listener(registry, &registry_listener, NULL);
  round_trip();
  if (!compositor || !shm || !wm_base) {
    fprintf(stderr, "client: the compositor lacks wl_compositor 4, wl_shm or xdg_wm_base\n");
    exit(1);
  }
  surface = wl_compositor_create_surface(compositor);
  struct xdg_surface* xdg_surface = xdg_wm_base_get_xdg_surface(wm_base, surface);
  xdg_surface_add_listener(xdg_surface, &xdg_surface_listener, NULL);
  struct xdg_toplevel* toplevel = xdg_surface_get_toplevel(xdg_surface);
  xdg_toplevel_add_listener(toplevel, &toplevel_listener, NULL);
  xdg_toplevel_set_title(toplevel, title);
  wl_surface_commit(surface);
  while (!configured)
    if (wl_display_dispatch(display) < 0) die("waiting for the first configure");
}

void wait_for_end_of(int fd) {
  for (;;) {
    if (wl_display_dispatch_pending(display) < 0 || (wl_display_flush(display) < 0 && errno != EAGAIN))
      die("waiting for the others");
    struct pollfd polled[] = {{.fd = fd, .events = POLLIN}, {.fd = wl_display_get_fd(display), .events = POLLIN}};
    if (poll(polled, 2, -1) < 0) die("waiting for the others");
    if (polled[0].revents) return;
    if (polled[1].revents && wl_display_dispatch(display) < 0) die("waiting for the others");
  }
}

void use_in_turn(int count) {
  if (count < 1 || count > MAX_BUFFERS) {
    fprintf(stderr, "client: from 1 to %d buffers can be used in turn\n", MAX_BUFFERS);
    exit(2);
  }
  in_turn = count;
}

void show_all_buffers(void) {
  while (buffer_count < (in_turn ? in_turn : BUFFERS)) {
    commit(one_more_buffer(), width, height);
    round_trip();
  }
}

int buffers_used(void) { return buffer_count; }

void close_window(void) { wl_display_disconnect(display); }
