/**
 * Pieces of a virtio_gpu device's memory that this process holds, by descriptor or mapping. Each takes one of the places that
 * the host has for the whole VM, and of those the host alone keeps count; what this process has of them tells, when there
 * is none left, whether it is this one that has too many.
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';

/** As the kernel names a dma-buf. */
const DMA_BUF = '/dmabuf:';

/** How many there are. It reads what the kernel says of this process: not for every frame. */
export function heldPieces(): number {
  const inodes = new Set<number>();
  for (const line of readFileSync('/proc/self/maps', 'utf8').split('\n')) {
    if (line.includes(DMA_BUF)) inodes.add(Number(line.split(/\s+/)[4]));
  }
  for (const fd of readdirSync('/proc/self/fd')) {
    const path = `/proc/self/fd/${fd}`;
    try {
      if (readlinkSync(path).startsWith(DMA_BUF)) inodes.add(statSync(path).ino);
    } catch {
      // The descriptor by which the directory was read.
    }
  }
  return inodes.size;
}
