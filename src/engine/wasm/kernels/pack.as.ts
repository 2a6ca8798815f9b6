import { TILE_COLUMNS, TILE_ROWS } from './tile.as';

/** `columns` rounded up to whole panels. */
@inline
export function panelColumns(columns: i32): i32 {
  return (columns + TILE_COLUMNS - 1) & -TILE_COLUMNS;
}

/** Cuts b[depth, columns] into panels of 8 columns, each `depth` x 8, the last filled up with zeros. */
export function packColumns(b: usize, packed: usize, depth: i32, columns: i32): void {
  const rowBytes = <usize>columns << 2;
  for (let n = 0; n < columns; n += TILE_COLUMNS) {
    let source = b + (<usize>n << 2);
    const width = columns - n;
    for (let k = 0; k < depth; k++) {
      if (width >= TILE_COLUMNS) {
        v128.store(packed, v128.load(source));
        v128.store(packed, v128.load(source, 16), 16);
      } else {
        for (let j = 0; j < TILE_COLUMNS; j++) {
          const at = <usize>j << 2;
          store<f32>(packed + at, j < width ? load<f32>(source + at) : 0);
        }
      }
      packed += 32;
      source += rowBytes;
    }
  }
}

/** Cuts the transpose of b[columns, depth] into panels of 8 columns, each `depth` x 8, zeros at the end. */
export function packTransposed(b: usize, packed: usize, depth: i32, columns: i32): void {
  const rowBytes = <usize>depth << 2;
  for (let n = 0; n < columns; n += TILE_COLUMNS) {
    for (let half = n; half < n + TILE_COLUMNS; half += 4) {
      const target = packed + (<usize>(half - n) << 2);
      if (half + 4 <= columns) transposeFour(b + <usize>half * rowBytes, rowBytes, target, depth);
      else transposeFew(b + <usize>half * rowBytes, rowBytes, target, depth, columns - half);
    }
    packed += <usize>depth * 32;
  }
}

/** Four rows of `depth` become the columns of one half of a panel: 4 x 4 at a time. */
function transposeFour(rows: usize, rowBytes: usize, target: usize, depth: i32): void {
  let k = 0;
  for (; k + 4 <= depth; k += 4) {
    const r0 = v128.load(rows);
    const r1 = v128.load(rows + rowBytes);
    const r2 = v128.load(rows + 2 * rowBytes);
    const r3 = v128.load(rows + 3 * rowBytes);
    const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
    const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
    const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
    const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
    v128.store(target, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5));
    v128.store(target, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7), 32);
    v128.store(target, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5), 64);
    v128.store(target, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7), 96);
    rows += 16;
    target += 128;
  }
  if (k < depth) transposeFew(rows, rowBytes, target, depth - k, 4);
}

/** The same for any number of rows (none, or fewer than four at the edge), element by element. */
function transposeFew(rows: usize, rowBytes: usize, target: usize, depth: i32, count: i32): void {
  for (let k = 0; k < depth; k++) {
    for (let j = 0; j < 4; j++) {
      store<f32>(target + (<usize>j << 2), j < count ? load<f32>(rows + <usize>j * rowBytes) : 0);
    }
    rows += 4;
    target += 32;
  }
}

/**
 * Packs up to four columns of a row-major matrix side by side, `depth` x 4. Where there are fewer, the
 * others hold what follows in the matrix: the caller does not store what comes of them.
 */
export function packFour(a: usize, rowBytes: usize, packed: usize, depth: i32, count: i32): void {
  // In the last row nothing may follow.
  const whole = count >= TILE_ROWS ? depth : depth - 1;
  for (let k = 0; k < whole; k++) {
    v128.store(packed, v128.load(a));
    packed += 16;
    a += rowBytes;
  }
  if (whole == depth) return;
  for (let j = 0; j < TILE_ROWS; j++) {
    const at = <usize>j << 2;
    store<f32>(packed + at, j < count ? load<f32>(a + at) : 0);
  }
}
