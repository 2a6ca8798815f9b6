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

/** The numbers of one step of SGD. */
interface SgdRates {
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
}

/**
 * One step of SGD with momentum in float32, as torch.optim.SGD does it (dampening 0, no Nesterov): g += weightDecay w;
 * v = momentum v + g; w -= learningRate v. Weight and velocity change, the gradient does not.
 */
export function sgdUpdate(
  weight: tf.Variable,
  velocity: tf.Variable,
  gradient: tf.Tensor,
  rates: SgdRates,
): void {
  const { learningRate, momentum, weightDecay } = rates;
  if (tf.getKernel('SgdMomentum', tf.getBackend())) {
    tf.engine().runKernel(
      'SgdMomentum',
      { weight, velocity, gradient },
      { learningRate, momentum, weightDecay },
    );
    return;
  }
  tf.tidy(() => {
    const decayed = tf.add(gradient, tf.mul(weight, weightDecay));
    velocity.assign(tf.add(tf.mul(velocity, momentum), decayed));
    weight.assign(tf.sub(weight, tf.mul(velocity, learningRate)));
  });
}
