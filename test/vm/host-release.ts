/**
 * Whose kernel the guests of the gpu transport have in tests: that of this machine's release, where it is one whose
 * virtio_gpu is known to do, so that both come up where both releases are tested. Nothing else of the guests changes.
 */
import { readFileSync } from 'node:fs';

/** Debian 12 with Linux 6.1, Debian 13 with 6.12. */
const RELEASES = ['bookworm', 'trixie'];

/** To be called before a guest is booted. VIRTWL_GUEST_SUITE, where it is set, has the last word. */
export function takeKernelOfHost(): void {
  const [, release = ''] = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8')) ?? [];
  if (RELEASES.includes(release)) process.env.VIRTWL_GUEST_SUITE ??= release;
}
