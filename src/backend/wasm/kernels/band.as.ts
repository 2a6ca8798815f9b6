/** Bytes of padded rows that are worked on at a time: small enough for the L1 and L2 caches. */
export const BAND_BYTES: i32 = 65536;

/** How many output rows to take at a time when each brings `rowBytes` of padded rows with it. */
export function bandRows(rowBytes: i32, rows: i32): i32 {
  return max(1, min(rows, BAND_BYTES / rowBytes));
}

/**
 * Copies the rows `first` to `first + count - 1` of an image into slots of `slotBytes`, `leftBytes` from each
 * slot's start; rows outside the image become zeros. The margins are left alone: the caller clears the band
 * once, and no kernel needs to look at an edge again.
 */
export function fillBand(
  image: usize,
  height: i32,
  rowBytes: usize,
  first: i32,
  count: i32,
  band: usize,
  slotBytes: usize,
  leftBytes: usize,
): void {
  let target = band + leftBytes;
  for (let row = first; row < first + count; row++) {
    if (row >= 0 && row < height) memory.copy(target, image + <usize>row * rowBytes, rowBytes);
    else memory.fill(target, 0, rowBytes);
    target += slotBytes;
  }
}

/** `count` rounded up to a multiple of four: row kernels take four positions at a time. */
@inline
export function fours(count: i32): i32 {
  return (count + 3) & -4;
}
