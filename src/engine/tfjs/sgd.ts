import * as tf from '@tensorflow/tfjs-core';
import type { Rates } from '../../schedule/schedule.js';
import { type OptimizerTerms, termsOf } from '../params.js';
import { sgdUpdate } from './conv.js';

/**
 * Stochastic gradient descent with momentum as torch.optim.SGD defines it: v = m v + g; w -= lr v.
 *
 * The project's own, because tfjs's MomentumOptimizer freezes its momentum in the constructor:
 * `setMomentum` changes nothing, and a cycled momentum would never happen.
 */
export class Sgd {
  private readonly velocities = new Map<string, tf.Variable>();
  private current: Rates = { learningRate: 0, momentum: 0 };

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

  /** What the optimizer holds: records quote this, so that a rate that was never set cannot be charted. */
  get rates(): Rates {
    return this.current;
  }

  set rates(rates: Rates) {
    this.current = { ...rates };
  }

  /** One update from gradients by parameter name; the caller keeps the gradients. */
  apply(gradients: ReadonlyMap<string, tf.Tensor>): void {
    for (const [name, weight] of this.variables) {
      const gradient = gradients.get(name);
      if (gradient === undefined) throw new Error(`no gradient for ${name}`);
      const { rateMultiplier, weightDecay } = termsOf(name, this.terms);
      sgdUpdate(weight, this.velocityOf(name), gradient, {
        learningRate: this.current.learningRate * rateMultiplier,
        momentum: this.current.momentum,
        weightDecay,
      });
    }
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
