interface Block {
  sum: number;
  count: number;
}

/**
 * The least-squares fit of a valley: falling to some point and rising from there on (isotonic regression
 * on either side by pooling adjacent violators; Barlow et al., Statistical Inference under Order
 * Restrictions, 1972, section 1.2). It has no width to choose, keeps sudden rises sudden, and averages noise
 * where the curve is flat. Of equally good turning points the first. Empty for no values.
 */
export function unimodalFit(values: readonly number[]): number[] {
  const reversed = [...values].reverse();
  // Rising from the right is falling, read from left to right: one routine serves both sides.
  const falling = fallingErrors(values);
  const rising = fallingErrors(reversed).reverse();

  let turn = 0;
  let least = Infinity;
  for (let i = 0; i <= values.length; i++) {
    const error = (falling[i] ?? 0) + (rising[i] ?? 0);
    if (error < least) {
      least = error;
      turn = i;
    }
  }
  return [
    ...fallingFit(values.slice(0, turn)),
    ...fallingFit(reversed.slice(0, values.length - turn)).reverse(),
  ];
}

/** Squared error of the falling fit to the first 0, 1, 2, ... of `values`. */
function fallingErrors(values: readonly number[]): number[] {
  const blocks: Block[] = [];
  let squares = 0;
  let explained = 0;
  const errors = [0];
  for (const value of values) {
    squares += value * value;
    explained += pool(blocks, value);
    errors.push(squares - explained);
  }
  return errors;
}

function fallingFit(values: readonly number[]): number[] {
  const blocks: Block[] = [];
  for (const value of values) pool(blocks, value);
  return blocks.flatMap(({ sum, count }) => Array<number>(count).fill(sum / count));
}

/** Adds a value to a falling fit; returns by how much the fit's sum of squares grows. */
function pool(blocks: Block[], value: number): number {
  let block: Block = { sum: value, count: 1 };
  let before = 0;
  for (
    let last = blocks.at(-1);
    last && last.sum / last.count < block.sum / block.count;
    last = blocks.at(-1)
  ) {
    before += (last.sum * last.sum) / last.count;
    block = { sum: last.sum + block.sum, count: last.count + block.count };
    blocks.pop();
  }
  blocks.push(block);
  return (block.sum * block.sum) / block.count - before;
}
