{
  # 1 builds the copy that test/bindings/sanitize.sh runs: AddressSanitizer and UndefinedBehaviorSanitizer.
  # tests: 1 also builds what only the tests load, virtwl-test.node.
  # fortify: the level of _FORTIFY_SOURCE, 3 where the compiler has it.
  'variables': { 'sanitize%': 0, 'tests%': 0, 'fortify%': 2 },
  'target_defaults': {
    # The language standard is the one that this Node.js was built with (its common.gypi); our code needs C++17.
    # Headers of Node.js and nan are system headers: -isystem takes precedence over the -I that node-gyp adds, so
    # that every warning is about a file of ours.
    'cflags': [
      '-Wall',
      '-Wextra',
      '-Wshadow',
      '-isystem', '<(node_root_dir)/include/node',
      '-isystem', '<(node_root_dir)/src',
      '-isystem', '<(node_root_dir)/deps/v8/include',
      '-isystem', '<(node_root_dir)/deps/uv/include',
      '-isystem', '<!(node -p "require(\'path\').dirname(require.resolve(\'nan\'))")',
    ],
    'cflags!': ['-Wno-unused-parameter'],
    # bindings/c is a library too, which another addon of the process may bring: here it is the addon's own.
    'cflags_c': ['-fvisibility=hidden'],
    # Nobody links to the addon: what Node.js looks for is marked as visible, and names of all else are 40 KB.
    'cflags_cc': ['-fvisibility=hidden', '-fvisibility-inlines-hidden'],
    'defines': ['_FILE_OFFSET_BITS=64'],
    # Node.js closes an addon's library together with the worker thread that loaded it. The SIGBUS handler and the
    # deleters of ArrayBuffers can run later than that, so the library stays.
    'ldflags': ['-Wl,-z,nodelete', '-Wl,-z,relro', '-Wl,-z,now'],
    'conditions': [
      ['sanitize==1', {
        'cflags': ['-fsanitize=address,undefined', '-fno-sanitize-recover=undefined', '-fno-omit-frame-pointer',
                   '-g', '-O1'],
        'cflags!': ['-O3', '-fomit-frame-pointer'],
        # Node.js has no vtables for us to check against: it is built without run-time type information.
        'cflags_cc': ['-fno-sanitize=vptr'],
        'ldflags': ['-fsanitize=address,undefined'],
      }, {
        # Stack canaries, and lengths that the compiler knows are checked in calls of the C library. Not beside the
        # sanitizers, which look at the same calls.
        'cflags': ['-fstack-protector-strong', '-U_FORTIFY_SOURCE', '-D_FORTIFY_SOURCE=<(fortify)'],
      }],
    ],
  },
  'targets': [
    {
      'target_name': 'virtwl',
      'sources': [
        'bindings/addon.cc',
        'bindings/arguments.cc',
        'bindings/atomic.cc',
        'bindings/c/virtwl.c',
        'bindings/confine.cc',
        'bindings/copy.cc',
        'bindings/copy_job.cc',
        'bindings/copy_partner.cc',
        'bindings/drm.cc',
        'bindings/environment.cc',
        'bindings/errors.cc',
        'bindings/file.cc',
        'bindings/frame_copies.cc',
        'bindings/gpu_channel.cc',
        'bindings/held_memory.cc',
        'bindings/mapping.cc',
        'bindings/memory.cc',
        'bindings/message_pass.cc',
        'bindings/nonblocking.cc',
        'bindings/pass.cc',
        'bindings/poll.cc',
        'bindings/rect_copy.cc',
        'bindings/region.cc',
        'bindings/sigbus.cc',
        'bindings/socket.cc',
        'bindings/stream_copy.cc',
        'bindings/tmpfs.cc',
        'bindings/virtwl.cc',
      ],
    },
  ],
  'conditions': [
    ['tests==1', {
      'targets': [
        {
          'target_name': 'virtwl-test',
          'sources': ['test/bindings/native/addon.cc', 'bindings/nonblocking.cc'],
        },
      ],
    }],
  ],
}
