"""Does memory cross? As docs/examples/c/probe.c, with ctypes: memory of the host, written here, read by the host."""
import ctypes, mmap, os, struct

wl = ctypes.CDLL('libvirtwl.so.0', use_errno=True)
wl.virtwl_allocate.argtypes = (ctypes.c_int, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_int)
wl.virtwl_send.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t)
wl.virtwl_receive.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p)


def need(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


device = need(wl.virtwl_open(None))
memory = need(wl.virtwl_allocate(need(wl.virtwl_connect(device, b'allocator')), 1, 4096, 30000))
shared = mmap.mmap(memory, 4096)
