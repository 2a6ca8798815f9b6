/**
 * An exponential moving average that takes one value at a time: `beta` is the weight of the past, from 0
 * (none) to below 1. The bias towards the zero it starts from is divided out, so that the first answer is
 * the first value (Kingma and Ba, arXiv 1412.6980, section 3; as fastai smooths its losses).
 */
export function movingAverage(beta: number): (value: number) => number {
  let average = 0;
  let weight = 0;
  return (value) => {
    average = beta * average + (1 - beta) * value;
    weight = beta * weight + (1 - beta);
    return average / weight;
  };
}

/** The bias-corrected moving average at each of `losses`; NaN from the first NaN on. */
export function smooth(losses: readonly number[], beta: number): number[] {
  return losses.map(movingAverage(beta));
}
