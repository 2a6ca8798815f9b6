import * as tf from '@tensorflow/tfjs-core';
import type { Rates } from '../../schedule/schedule.js';
import { type OptimizerTerms, termsOf } from '../params.js';

/**
 * Stochastic gradient descent with momentum as torch.optim.SGD defines it: v = m v + g; w -= lr v.
 *
 * The project's own, because tfjs's MomentumOptimizer freezes its momentum in the constructor:
 * `setMomentum` changes nothing, and a cycled momentum would never happen.
 */
export class Sgd {
  private readonly velocities = new Map<string, tf.Variable>();

  constructor(
    private readonly variables: ReadonlyMap<string, tf.Variable>,
    private readonly terms: OptimizerTerms,
  ) {
    for (const [name, variable] of variables) {
      const zeros = tf.zeros(variable.shape);
      this.velocities.set(name, tf.variable(zeros, false));
      zeros.dispose();
    }
  }

  /**
   * One update from gradients by parameter name, which the caller keeps. Answers the rate and momentum that every weight was
   * updated with: records quote them.
   * @param onDevice the same rates as {@link rateTensor} has them, for a backend that reads them from there; made where left out
   */
  apply(gradients: ReadonlyMap<string, tf.Tensor>, rates: Rates, onDevice?: tf.Tensor1D): Rates {
    const { learningRate, momentum } = rates;
    tf.tidy(() => {
      const read = { learningRate, momentum, onDevice: onDevice ?? rateTensor(rates) };
      for (const [name, weight] of this.variables) {
        const gradient = gradients.get(name);
        if (gradient === undefined) throw new Error(`no gradient for ${name}`);
        const tensors = { weight, velocity: this.velocityOf(name), gradient };
        sgdUpdate(tensors, read, termsOf(name, this.terms));
      }
    });
    return { learningRate, momentum };
  }

  /** The momentum buffers by parameter name, for checkpoints. */
  get buffers(): ReadonlyMap<string, tf.Variable> {
    return this.velocities;
  }

  velocityOf(name: string): tf.Variable {
    const velocity = this.velocities.get(name);
    if (velocity === undefined) throw new Error(`no parameter ${name} is trained`);
    return velocity;
  }

  dispose(): void {
    for (const velocity of this.velocities.values()) velocity.dispose();
  }
}

/** Learning rate and momentum as a tensor [2]; the caller disposes it. */
export function rateTensor({ learningRate, momentum }: Rates): tf.Tensor1D {
  return tf.tensor1d([learningRate, momentum], 'float32');
}

/** What one step of SGD reads and changes, of one shape. */
interface SgdTensors {
  readonly weight: tf.Variable;
  readonly velocity: tf.Variable;
  readonly gradient: tf.Tensor;
}

/**
 * One step of SGD with momentum in float32, as torch.optim.SGD does it (dampening 0, no Nesterov): g += weightDecay w;
 * v = momentum v + g; w -= learningRate rateMultiplier v. Weight and velocity change, the gradient does not. Where the backend has a
 * kernel for it the rates are read on the device alone.
 */
export function sgdUpdate(
  { weight, velocity, gradient }: SgdTensors,
  { learningRate, momentum, onDevice }: Rates & { readonly onDevice: tf.Tensor1D },
  { rateMultiplier, weightDecay }: ReturnType<typeof termsOf>,
): void {
  if (tf.getKernel('SgdMomentum', tf.getBackend())) {
    const inputs = { weight, velocity, gradient, rates: onDevice };
    tf.engine().runKernel('SgdMomentum', inputs, { rateMultiplier, weightDecay });
    return;
  }
  tf.tidy(() => {
    const decayed = tf.add(gradient, tf.mul(weight, weightDecay));
    velocity.assign(tf.add(tf.mul(velocity, momentum), decayed));
    weight.assign(tf.sub(weight, tf.mul(velocity, learningRate * rateMultiplier)));
  });
}
