/**
 * What holds on this machine and what does not, in the order in which one thing builds on another.
 */
import type { Check, Finding } from './finding.js';
import { checkBudget, tellMemory } from './budget.js';
import { tellCompositors } from './guest.js';
import { checkDevice } from './guest-device.js';
import { checkAddon, checkDescriptors, checkNode, checkRuntimeDirectory, checkSharedMemory } from './machine.js';
import { checkBubblewrap, checkConfinement, checkMinijail } from './sandbox.js';
import { tellKvm, tellQemu } from './vms.js';

/** What the machine is to be: the host, a VM, or both at once, in loopback. */
export const ROLES = ['host', 'guest', 'all'] as const;
export type Role = (typeof ROLES)[number];

export interface Diagnosis {
  readonly role: Role;
  /** Whether everything that the role needs holds. */
  readonly ok: boolean;
  readonly findings: readonly Finding[];
}

/** Checks everything that matters to a role; `told` gets each finding as it comes. Never throws for what it finds. */
export async function diagnose(role: Role, told: (finding: Finding) => void = () => {}): Promise<Diagnosis> {
  const findings: Finding[] = [];
  const look = async (check: Check): Promise<boolean> => {
    const finding = await check();
    findings.push(finding);
    told(finding);
    return finding.state !== 'fails';
  };
  await look(checkNode);
  const addon = await look(checkAddon);
  await look(checkDescriptors);
  await look(checkRuntimeDirectory);
  if (role !== 'guest') {
    // What is tried through the addon cannot be without it.
    if (addon) await look(checkBudget);
    await look(tellMemory);
    const bubblewrap = checkBubblewrap();
    const minijail = addon ? await checkMinijail(bubblewrap.state === 'holds') : undefined;
    const instead = minijail?.state === 'holds';
    // One of the two is enough.
    await look(() => (instead && bubblewrap.state === 'fails' ? { ...bubblewrap, state: 'lacks' } : bubblewrap));
    if (minijail !== undefined) await look(() => minijail);
    if (addon && bubblewrap.state === 'holds') await look(() => checkConfinement('bubblewrap'));
    await look(tellQemu);
    await look(tellKvm);
  }
  if (role !== 'host') {
    if (addon) await look(() => checkDevice(role === 'guest'));
    await look(tellCompositors);
    await look(checkSharedMemory);
  }
  return { role, ok: findings.every(({ state }) => state !== 'fails'), findings };
}
