"""docs/examples/c/probe.c in Python: memory of the host, written here, checked there. Needs libvirtwl.so.0."""
import ctypes, mmap, os, struct

wl = ctypes.CDLL('libvirtwl.so.0', use_errno=True)
wl.virtwl_allocate.argtypes = [ctypes.c_int, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_int]


def need(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def pattern(seed):
    mixed = [(index ^ seed) * 0x9E3779B1 & 0xFFFFFFFF for index in range(1024)]
    return struct.pack('<1024I', *[(word ^ word >> 15) * 0x85EBCA77 & 0xFFFFFFFF for word in mixed])


device = need(wl.virtwl_open(None))
memory = need(wl.virtwl_allocate(need(wl.virtwl_connect(device, b'allocator')), 1, 4096, 30000))
shared = mmap.mmap(memory, 4096)
shared[:] = pattern(42)
probe = need(wl.virtwl_connect(device, b'probe'))
need(wl.virtwl_send(probe, struct.pack('<QI', 4096, 42), ctypes.c_size_t(12), ctypes.byref(ctypes.c_int(memory)), ctypes.c_size_t(1)))
reply = ctypes.create_string_buffer(9)
need(wl.virtwl_receive(probe, reply, ctypes.c_size_t(9), None, None))
print('the host saw it:', reply.raw[0] == 0, '- and its answer shows here:', shared[:] == pattern(42 ^ 0xFFFFFFFF))
