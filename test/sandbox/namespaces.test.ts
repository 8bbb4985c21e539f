/** What is seen of why no user namespace can be made. */
import t from 'tap';
import { CHROOT, whyNoNamespaces } from '../../src/sandbox/namespaces.js';

t.test('settings by which namespaces are forbidden', async t => {
  const told = (files: Record<string, string>) =>
    whyNoNamespaces(path => {
      const text = files[path];
      if (text === undefined) throw new Error('ENOENT');
      return text;
    });
  t.same(told({}), []);
  t.same(
    told({
      '/proc/sys/user/max_user_namespaces': '31000\n',
      '/proc/sys/kernel/unprivileged_userns_clone': '1\n',
      '/proc/sys/kernel/apparmor_restrict_unprivileged_userns': '0\n',
      '/proc/self/status': 'Name:\tnode\nSeccomp:\t0\n',
    }),
    [],
  );
  t.same(
    told({
      '/proc/sys/user/max_user_namespaces': '0\n',
      '/proc/sys/kernel/unprivileged_userns_clone': '0\n',
      '/proc/sys/kernel/apparmor_restrict_unprivileged_userns': '1\n',
      '/proc/self/status': 'Name:\tnode\nSeccomp:\t2\n',
    }),
    [
      'user.max_user_namespaces is 0',
      'kernel.unprivileged_userns_clone is 0',
      'kernel.apparmor_restrict_unprivileged_userns is 1',
      'this process is under a system call filter, as in a container',
    ],
  );
});

t.test('a chroot is told by its root, which is no mount', async t => {
  const mount = (point: string) => `22 27 0:21 / ${point} rw,relatime - ext4 /dev/vda rw`;
  const told = (...points: string[]) =>
    whyNoNamespaces(path => {
      if (path === '/proc/self/mountinfo') return points.map(mount).join('\n');
      throw new Error('ENOENT');
    });
  t.same(told('/proc', '/usr'), [CHROOT]);
  t.match(CHROOT, /EPERM.*run it outside/);
  t.same(told('/', '/proc'), []);
  t.same(told(), [], 'no mounts at all: nothing can be told');
});
