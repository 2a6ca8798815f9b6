/** Rows that are summed before they join the total: short sums lose less to rounding. */
const SUM_ROWS: i32 = 64;

/** sums[channels] += the sum of the rows of values[rows, channels]. */
export function addColumnSums(values: usize, sums: usize, rows: i32, channels: i32): void {
  const rowBytes = <usize>channels << 2;
  for (let start = 0; start < rows; start += SUM_ROWS) {
    const count = min(SUM_ROWS, rows - start);
    const first = values + <usize>start * rowBytes;
    let c = 0;
    for (; c + 8 <= channels; c += 8) sumEight(first + (<usize>c << 2), sums + (<usize>c << 2), count, rowBytes);
    for (; c < channels; c++) sumOne(first + (<usize>c << 2), sums + (<usize>c << 2), count, rowBytes);
  }
}

function sumEight(column: usize, sums: usize, rows: i32, rowBytes: usize): void {
  let left = f32x4.splat(0);
  let right = left;
  for (let row = 0; row < rows; row++) {
    left = f32x4.add(left, v128.load(column));
    right = f32x4.add(right, v128.load(column, 16));
    column += rowBytes;
  }
  v128.store(sums, f32x4.add(v128.load(sums), left));
  v128.store(sums, f32x4.add(v128.load(sums, 16), right), 16);
}

function sumOne(column: usize, sums: usize, rows: i32, rowBytes: usize): void {
  let sum: f32 = 0;
  for (let row = 0; row < rows; row++) {
    sum += load<f32>(column);
    column += rowBytes;
  }
  store<f32>(sums, load<f32>(sums) + sum);
}
