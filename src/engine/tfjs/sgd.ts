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
   */
  apply(gradients: ReadonlyMap<string, tf.Tensor>, { learningRate, momentum }: Rates): Rates {
    for (const [name, weight] of this.variables) {
      const gradient = gradients.get(name);
      if (gradient === undefined) throw new Error(`no gradient for ${name}`);
      const { rateMultiplier, weightDecay } = termsOf(name, this.terms);
      sgdUpdate(weight, this.velocityOf(name), gradient, {
        learningRate: learningRate * rateMultiplier,
        momentum,
        weightDecay,
      });
    }
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
