/**
 * Why this process may make no user namespace, as far as that can be seen: settings of the kernel, a filter of a
 * container's, a chroot. In: files of /proc. Out: reasons in words, for who asks what failed; the kernel itself says EPERM
 * to all of them alike.
 */
import { readFileSync } from 'node:fs';

/** Settings that forbid user namespaces, and their values that do. */
const FORBIDDEN_BY: readonly (readonly [path: string, value: string, name: string])[] = [
  ['/proc/sys/user/max_user_namespaces', '0', 'user.max_user_namespaces is 0'],
  ['/proc/sys/kernel/unprivileged_userns_clone', '0', 'kernel.unprivileged_userns_clone is 0'],
  ['/proc/sys/kernel/apparmor_restrict_unprivileged_userns', '1', 'kernel.apparmor_restrict_unprivileged_userns is 1'],
];

/** What is said of a chroot, with what to do: allowing namespaces does not help there. */
export const CHROOT =
  'this process is in a chroot, where the kernel makes no user namespaces (unshare: EPERM): run it outside, or enter ' +
  'that directory by systemd-nspawn or bwrap, which change the root by pivot_root';

/** The reasons that are seen; none where nothing of the kind is. */
export function whyNoNamespaces(read: (path: string) => string = path => readFileSync(path, 'utf8')): string[] {
  const textOf = (path: string): string | undefined => {
    try {
      return read(path);
    } catch {
      return undefined; // this kernel has no such file, or there is no /proc: then there is more amiss than this
    }
  };
  const found = FORBIDDEN_BY.filter(([path, value]) => textOf(path)?.trim() === value).map(([, , name]) => name);
  if (/^Seccomp:\s*2$/m.test(textOf('/proc/self/status') ?? '')) {
    found.push('this process is under a system call filter, as in a container');
  }
  const mounts = textOf('/proc/self/mountinfo');
  if (mounts !== undefined && isChroot(mounts)) found.push(CHROOT);
  return found;
}

/**
 * Whether the root directory is none of the mounts that can be seen from it. That is so in a chroot into a plain directory; in
 * one that something is mounted on, it cannot be told from a root.
 */
function isChroot(mountinfo: string): boolean {
  const points = mountinfo.split('\n').flatMap(line => line.split(' ')[4] ?? []);
  return points.length > 0 && !points.includes('/');
}
