import {
  add,
  engine,
  getBackend,
  getKernel,
  mul,
  sub,
  tidy,
  type Tensor,
  type Variable,
} from '@tensorflow/tfjs-core';

/** The numbers of one step of SGD. */
export interface SgdRates {
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
}

/**
 * One step of SGD with momentum in float32, as torch.optim.SGD does it (dampening 0, no Nesterov): g += weightDecay w;
 * v = momentum v + g; w -= learningRate v. Weight and velocity change, the gradient does not.
 */
export function sgdUpdate(weight: Variable, velocity: Variable, gradient: Tensor, rates: SgdRates): void {
  const { learningRate, momentum, weightDecay } = rates;
  if (getKernel('SgdMomentum', getBackend())) {
    engine().runKernel(
      'SgdMomentum',
      { weight, velocity, gradient },
      { learningRate, momentum, weightDecay },
    );
    return;
  }
  tidy(() => {
    const decayed = add(gradient, mul(weight, weightDecay));
    velocity.assign(add(mul(velocity, momentum), decayed));
    weight.assign(sub(weight, mul(velocity, learningRate)));
  });
}

/** target += source, of equal shapes. */
export function addInPlace(target: Variable, source: Tensor): void {
  if (getKernel('AddInPlace', getBackend())) {
    engine().runKernel('AddInPlace', { target, source });
    return;
  }
  tidy(() => target.assign(add(target, source)));
}
